"""A new key for the stored secrets."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections.resealing import reseal_all


class Command(BaseCommand):
    help = (
        "Seals every stored secret with the first key of FIELD_KEYS. Put a new key in front of the list, restart, run "
        "this, then take the old key away. It may be stopped and run again at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = reseal_all()
        self.stdout.write(f"{found.changed} secrets sealed with the first key, {found.already} were already.")
        if found.unreadable:
            raise CommandError(
                "These open with none of FIELD_KEYS; keep looking for their key, or replace them: "
                + "; ".join(found.unreadable)
            )
