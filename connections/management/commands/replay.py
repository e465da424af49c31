"""Events applied again, chosen at the terminal."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from connections import replaying, stored_events
from connections.models import Connection, InboundEvent
from users import audit


class Command(BaseCommand):
    help = (
        "Has stored events applied again: one by its id, or those of a type since a time. Applying twice equals once, "
        "so nothing is made double. Only counts them unless --yes; workers, or `work --until-idle`, then apply them, "
        "many page by page, behind what arrives meanwhile. "
        "Events without a body (ignored, or older than 30 days) stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--event", metavar="ID", default="", help="evt_… at Stripe")
        parser.add_argument("--type", metavar="T", default="", help="such as charge.refunded")
        parser.add_argument(
            "--since", metavar="TIME", default="", help="when it happened, ISO 8601; UTC unless it says"
        )
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, event: str, type: str, since: str, yes: bool, **options: Any) -> None:
        if bool(event) == bool(type or since):
            raise CommandError("Name one event with --event, or several with --type and --since.")
        moment = _moment(since) if since else None
        chosen = InboundEvent.objects.filter(connection__in=Connection.objects.connected())
        able = replaying.replayable_events(type, moment)
        if event:
            chosen, able = chosen.filter(event_id=event), able.filter(event_id=event)
        if type:
            chosen = chosen.filter(type=type)
        if moment:
            chosen = chosen.filter(occurred_at__gte=moment)
        if event and not chosen.exists():
            raise CommandError(f"No connected account has brought the event {event}.")
        count, rest = able.count(), chosen.count() - able.count()
        stay = f" {_events(rest)} stay as they are: no body is kept, or they are due anyway." if rest else ""
        if not yes:
            self.stdout.write(f"{_events(count)} would be applied again.{stay} Add --yes to do it.")
            return
        with transaction.atomic():
            if count > replaying.PAGE:
                replaying.begin_events(type, moment, count)
            else:
                count = stored_events.replay_ids(list(able.order_by("occurred_at", "pk").values_list("pk", flat=True)))
            audit.record(None, "replayed events", _events(count), event=event, type=type, since=since)
        self.stdout.write(f"{_events(count)} will be applied again.{stay}")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"“{text}” is no time. Write it like 2026-11-21 or 2026-11-21T10:00:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
