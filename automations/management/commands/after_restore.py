"""The first thing to do with a restored backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from automations import restored


class Command(BaseCommand):
    help = (
        "Run it on a restored backup before web and workers start: what was waiting in it may have been done since. "
        "Pauses every automation and ends the runs that were due; holds back mails and deliveries until a person sends "
        "them again; cancels campaigns whose time had come, and drops notices to colleagues."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        held = restored.hold_back()
        self._tell("Automations that pause", held.automations)
        self.stdout.write(f"Runs that were due and have ended: {held.runs}")
        self._tell("Campaigns whose time had come and that are cancelled", held.campaigns)
        self.stdout.write(f"Mails whose fate nobody knows: {held.mails}")
        self.stdout.write(f"Deliveries held back: {held.deliveries}")
        self.stdout.write(f"Notices to colleagues dropped: {held.notices}")

    def _tell(self, what: str, names: list[str]) -> None:
        self.stdout.write(f"{what}: {', '.join(names) or 'none'}")
