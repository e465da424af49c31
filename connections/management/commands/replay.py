"""Events applied again, chosen at the terminal."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.due import State
from connections import inbox
from connections.models import Connection, InboundEvent
from users import audit

_BATCH = 500


class Command(BaseCommand):
    help = (
        "Has stored events applied again: one by its id, or those of a type since a time. Applying twice equals once, "
        "so nothing is made double. Only counts them unless --yes; workers, or `work --until-idle`, then apply them. "
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
        chosen = InboundEvent.objects.filter(connection__in=Connection.objects.connected())
        if event:
            chosen = chosen.filter(event_id=event)
        if type:
            chosen = chosen.filter(type=type)
        if since:
            chosen = chosen.filter(occurred_at__gte=_moment(since))
        if event and not chosen.exists():
            raise CommandError(f"No connected account has brought the event {event}.")
        able = chosen.filter(body__isnull=False).exclude(state__in=[State.DUE, State.RUNNING])
        count, rest = able.count(), chosen.count() - able.count()
        stay = f" {_events(rest)} stay as they are: no body is kept, or they are due anyway." if rest else ""
        if not yes:
            self.stdout.write(f"{_events(count)} would be applied again.{stay} Add --yes to do it.")
            return
        replayed = _replay(list(able.order_by("occurred_at", "pk").values_list("pk", flat=True)))
        audit.record(None, "replayed events", _events(replayed), event=event, type=type, since=since)
        self.stdout.write(f"{_events(replayed)} will be applied again.{stay}")


def _replay(ids: list[int]) -> int:
    batches = (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
    return sum(inbox.replay(InboundEvent.objects.filter(pk__in=batch)) for batch in batches)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"“{text}” is no time. Write it like 2026-11-21 or 2026-11-21T10:00:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
