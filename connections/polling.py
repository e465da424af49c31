"""Events read from Stripe's list: where it cannot reach us, and as a safety net where it can. Into the same inbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from common.origin import Origin
from connections import api, clock, inbox, proving, rate_limit, webhooks
from connections.models import Connection, ConnectionStatus
from connections.sources.base import Json, SourceError
from connections.sources.stripe import translate
from connections.sources.stripe.translate import Unreadable

OVERLAP = timedelta(minutes=10)
# Stripe lists events for thirty days.
OLDEST = timedelta(days=30)
SAFETY = timedelta(hours=1)
LATE = timedelta(minutes=2)
FASTEST, SLOWEST = 15, 300
_LEASE = timedelta(seconds=60)


def drain() -> int:
    """Poll every connection whose time has come. Returns how many events were new."""
    new = 0
    while (connection := _claim()) is not None:
        new += poll(connection)
    return new


def due() -> QuerySet[ConnectionStatus]:
    """Of connections whose time has come."""
    return ConnectionStatus.objects.filter(next_poll_at__lte=Now(), connection__state=Connection.State.ACTIVE)


def poll(connection: Connection) -> int:
    """Read the events since the last look, oldest first into the inbox. Returns how many were new."""
    if rate_limit.throttled(connection):
        return 0
    started = datetime.now(UTC)
    try:
        events, asked_at = _listed(connection)
    except SourceError as error:
        api.note(connection, error)
        return 0
    new = _store(connection, events)
    _look_again(connection, events, asked_at or started, new)
    if asked_at:
        clock.note(connection, asked_at + (datetime.now(UTC) - started))
    proving.look(connection)
    return new


def _claim() -> Connection | None:
    """A connection due for a poll, taken for a minute."""
    with transaction.atomic():
        status = due().order_by("next_poll_at").select_for_update(skip_locked=True, of=("self",)).first()
        if status is None:
            return None
        ConnectionStatus.objects.filter(pk=status.pk).update(next_poll_at=Now() + _LEASE)
    return status.connection


def _listed(connection: Connection) -> tuple[list[Json], datetime | None]:
    """Events since the watermark, newest first as Stripe gives them, and Stripe's clock when we asked."""
    client = api.client_of(connection)
    events: list[Json] = []
    asked_at = None
    for page in client.pages("/v1/events", created={"gte": int(_since(connection).timestamp())}):
        asked_at = asked_at or page.asked_at
        events += [event for event in page.data.get("data") or [] if isinstance(event, dict)]
    return events, asked_at


def _since(connection: Connection) -> datetime:
    oldest = datetime.now(UTC) - OLDEST
    begin = min((r.since for r in connection.resources.active()), default=datetime.now(UTC))
    seen = connection.status.events_seen_until
    return max(oldest, begin if seen is None else max(begin, seen - OVERLAP))


def _store(connection: Connection, events: list[Json]) -> int:
    new = missed = 0
    wanted = set(webhooks.wanted_events(connection))
    for event in reversed(events):
        body = json.dumps(event, ensure_ascii=True, separators=(",", ":")).encode()
        try:
            about = translate.envelope(translate.parse(body))
        except Unreadable:
            continue
        if not connection.asks_itself and about.type not in wanted:
            # The webhook does not bring these either; the list has every event of the account.
            continue
        late = not connection.asks_itself and datetime.now(UTC) - about.created > LATE
        if inbox.store(connection, about, body, Origin.POLL, missed=late):
            new += 1
            missed += late
    if missed:
        ConnectionStatus.objects.filter(pk=connection.pk).update(missed_webhooks=F("missed_webhooks") + missed)
    return new


def _look_again(connection: Connection, events: list[Json], asked_at: datetime, new: int) -> None:
    """Move the watermark, only now that everything is stored, and set the next look: soon while there is news."""
    newest = max((translate.envelope(event).created for event in events if _readable(event)), default=None)
    status = connection.status
    seen = max(filter(None, [newest, status.events_seen_until]), default=None)
    gap = {} if status.gap_since else _gap(status, asked_at)
    seconds: float = FASTEST if new else min(SLOWEST, int(status.poll_seconds * 1.5) + 1)
    if settings.STRIPE_POLL_SECONDS is not None:
        seconds = settings.STRIPE_POLL_SECONDS
    wait = timedelta(seconds=seconds) if connection.asks_itself else SAFETY
    ConnectionStatus.objects.filter(pk=connection.pk).update(
        events_seen_until=seen or asked_at,
        **gap,
        polled_at=Now(),
        poll_seconds=max(1, int(seconds)),
        next_poll_at=Now() + wait,
    )


def _gap(status: ConnectionStatus, asked_at: datetime) -> dict[str, datetime]:
    """Since when events are lost to us, in the transaction that moves the watermark past them.

    A quiet account has an old watermark too; what counts is that nobody looked for so long.
    """
    oldest = asked_at - OLDEST
    seen, looked = status.events_seen_until, status.polled_at
    return {"gap_since": looked} if seen and looked and max(seen, looked) < oldest else {}


def _readable(event: Json) -> bool:
    try:
        translate.envelope(event)
    except (Unreadable, KeyError, TypeError):
        return False
    return True


def soon(connection: Connection) -> None:
    """Poll at the next ring: somebody just connected, or is waiting."""
    with transaction.atomic():
        ConnectionStatus.objects.filter(pk=connection.pk).update(next_poll_at=Now(), poll_seconds=FASTEST)
