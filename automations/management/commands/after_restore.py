"""The first thing to do with a restored backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from automations import restored


class Command(BaseCommand):
    help = (
        "Run it on a restored backup before web and workers start: what was waiting in it may have been done since. "
        "Pauses every automation, and holds back mails, campaigns that were going out, deliveries and notices, until a "
        "person sends them again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        held = restored.hold_back()
        self._tell("Automations that pause", held.automations)
        self._tell("Campaigns that were going out and are cancelled", held.campaigns)
        self.stdout.write(f"Mails whose fate nobody knows: {held.mails}")
        self.stdout.write(f"Deliveries held back: {held.deliveries}")
        self.stdout.write(f"Notices to colleagues held back: {held.notices}")

    def _tell(self, what: str, names: list[str]) -> None:
        self.stdout.write(f"{what}: {', '.join(names) or 'none'}")
