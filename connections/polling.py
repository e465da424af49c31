"""Events read from Stripe's list: where it cannot reach us, and as a safety net where it can. Into the same inbox."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Now

from common.due import database_now
from common.origin import Origin
from connections import api, clock, poll_pages, poll_writes, proving, rate_limit
from connections.inbox import Moved
from connections.models import Connection, ConnectionStatus, InboundEvent
from connections.refusals import passes
from connections.sources.base import SourceError

logger = logging.getLogger(__name__)
OVERLAP = timedelta(minutes=10)
# Stripe lists events for thirty days.
OLDEST = timedelta(days=30)
SAFETY = timedelta(hours=1)
FASTEST, SLOWEST = 15, 300
# So long a poll may come to nothing before somebody is told; beside a webhook it is only the safety net.
PATIENCE, PATIENCE_BESIDE_WEBHOOK = timedelta(minutes=15), timedelta(hours=3)
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
    try:
        new = _walk(connection)
    except (Moved, api.Rekeyed):
        return 0
    except SourceError as error:
        api.note(connection, error)
        _note_failure(connection, error.message)
        return 0
    except Exception as error:
        if passes(error):
            raise
        logger.exception("Stripe's list of events could not be worked on", extra={"connection": connection.pk})
        _note_failure(connection, "Millrace could not work on what Stripe listed. It tries again.")
        return 0
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


def _walk(connection: Connection) -> int:
    """Store slice after slice, each with the watermark behind it, so that whoever comes next goes on from there."""
    status = ConnectionStatus.objects.get(pk=connection.pk)
    renew = partial(ConnectionStatus.objects.filter(pk=connection.pk).update, next_poll_at=Now() + _LEASE)
    new, gap = 0, None
    if _ran_ahead(status):
        _bring_back(connection, status)
    for one in poll_pages.slices(api.client_of(connection), _since(connection, status), renew):
        if gap is None:
            gap = _gap(status, one.asked_at)
        found = poll_writes.sort_out(connection, one.bodies)
        if one.until is not None:
            seen = Greatest(F("events_seen_until"), Value(one.until))
            new += poll_writes.write(connection, found, events_seen_until=seen, next_poll_at=Now() + _LEASE, **gap)
            continue
        new += poll_writes.write(connection, found, events_seen_until=_newest(found, one), polled_at=Now(), **gap)
    _look_again(connection, status, new)
    clock.note(connection, one.stripe_now())
    return new


def _since(connection: Connection, status: ConnectionStatus) -> datetime:
    oldest = datetime.now(UTC) - OLDEST
    begin = min((r.since for r in connection.resources.active()), default=datetime.now(UTC))
    seen = status.events_seen_until
    return max(oldest, begin if seen is None else max(begin, seen - OVERLAP))


def _ran_ahead(status: ConnectionStatus) -> bool:
    """Does the watermark stand in the future? Nobody knows what it passed: all that is still listed is read anew.

    By Stripe's clock, as far as an answer told how ours differs: one that is late would have that done each time.
    """
    seen = status.events_seen_until
    return seen is not None and seen - OVERLAP > database_now() - timedelta(seconds=status.clock_ahead or 0)


def _bring_back(connection: Connection, status: ConnectionStatus) -> None:
    """Have all read that is still listed. That more is lost is noted at once: a poll that fails now would hide it."""
    heard = _last_heard(connection)
    if not status.gap_since and heard and heard < database_now() - OLDEST:
        status.gap_since = heard
    status.events_seen_until = None
    ConnectionStatus.objects.filter(pk=connection.pk).update(events_seen_until=None, gap_since=status.gap_since)


def _last_heard(connection: Connection) -> datetime | None:
    """When the newest event happened that came by itself. Polls since then may have listed what lies ahead only."""
    ways = [Origin.POLL] if connection.asks_itself else [Origin.POLL, Origin.WEBHOOK]
    brought = InboundEvent.objects.filter(connection=connection, via__in=ways, occurred_at__lte=Now())
    newest: datetime | None = brought.aggregate(newest=Max("occurred_at"))["newest"]
    return newest or connection.connected_at


def _newest(found: poll_writes.Sorted, last: poll_pages.Slice) -> Combinable:
    """The watermark after the newest slice: the newest event seen, if there ever was one.

    Events of a Stripe test clock may be dated ahead of now. The watermark is not, or nothing was listed until then.
    """
    if found.newest is None:
        return Coalesce(F("events_seen_until"), Value(last.asked_at))
    return Greatest(F("events_seen_until"), Value(min(found.newest, last.asked_at)))


def _look_again(connection: Connection, status: ConnectionStatus, new: int) -> None:
    """Set the next look: soon while there is news."""
    seconds: float = FASTEST if new else min(SLOWEST, int(status.poll_seconds * 1.5) + 1)
    if settings.STRIPE_POLL_SECONDS is not None:
        seconds = settings.STRIPE_POLL_SECONDS
    wait = timedelta(seconds=seconds) if connection.asks_itself else SAFETY
    ConnectionStatus.objects.filter(pk=connection.pk).update(
        poll_seconds=max(1, int(seconds)), next_poll_at=Now() + wait
    )


def _gap(status: ConnectionStatus, asked_at: datetime) -> dict[str, datetime]:
    """Since when events are lost to us, in the transaction that moves the watermark past them.

    A quiet account has an old watermark too; what counts is that nobody looked for so long.
    """
    oldest = asked_at - OLDEST
    seen, looked = status.events_seen_until, status.polled_at
    is_gap = not status.gap_since and looked and max(seen or looked, looked) < oldest
    return {"gap_since": looked} if is_gap and looked else {}


def _note_failure(connection: Connection, why: str) -> None:
    ConnectionStatus.objects.filter(pk=connection.pk).update(poll_error=why[:500])


def failing() -> Q:
    """Condition of connections whose events have not been had for a while, and Stripe, or we, said why."""
    itself = Q(polls=True) | Q(unproven_since__isnull=False)
    long_ago = Q(status__poll_moved_at__lt=Now() - PATIENCE) & itself
    longer_ago = Q(status__poll_moved_at__lt=Now() - PATIENCE_BESIDE_WEBHOOK)
    return Q(state=Connection.State.ACTIVE) & ~Q(status__poll_error="") & (long_ago | longer_ago)


def soon(connection: Connection) -> None:
    """Poll at the next ring: somebody just connected, or is waiting."""
    with transaction.atomic():
        ConnectionStatus.objects.filter(pk=connection.pk).update(next_poll_at=Now(), poll_seconds=FASTEST)
