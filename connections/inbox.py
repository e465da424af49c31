"""The inbox is worked: events in batches, retried alone, set aside with their body when nothing helps."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import DatabaseError, IntegrityError, OperationalError, transaction

from common import rows
from common.arrays import array
from common.due import MAX_CLAIMS, State, database_now
from common.origin import Origin
from connections import fence, ingest, lanes, stored_events
from connections.incoming import Incoming, Outcome
from connections.models import Connection, InboundEvent, SyncLogEntry
from connections.refusals import is_own_doing
from connections.retention import BODIES
from connections.sources.stripe import translate
from connections.sources.stripe.translate import Unreadable

logger = logging.getLogger(__name__)
BATCH = 500
DRAIN_SECONDS = 20
_CROSSWISE_TRIES = 5
_REST = timedelta(seconds=1)


class Moved(Exception):
    """The connection was disconnected or re-keyed while its events were worked on; nothing was written."""


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Work due events until there are none or the time is up. Returns how many were worked."""
    ends = time.monotonic() + seconds
    worked, is_behind = 0, False
    _release_expired()
    # What comes meanwhile is found together by the next ring, which costs less than one by one; unless we are behind.
    until = database_now()
    while time.monotonic() < ends:
        events = lanes.claim(BATCH, until)
        if not events and not is_behind:
            break
        if not events:
            until, is_behind = database_now(), False
            continue
        for connection_id in sorted({event.connection_id for event in events}):
            work([event for event in events if event.connection_id == connection_id])
        worked += len(events)
        is_behind = is_behind or len(events) == BATCH
    return worked


def work(events: list[InboundEvent]) -> None:
    """Apply claimed events of one connection. The batch is split until one that cannot be applied fails alone."""
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            _apply(events)
        except (IntegrityError, OperationalError) as error:
            # Another worker made the same contact or locked crosswise: the next look finds its rows.
            if attempt < _CROSSWISE_TRIES and not is_own_doing(error):
                logger.info("Another worker was at the same rows; the batch is tried again: %r", error)
                time.sleep(0.02 * attempt)
                continue
            if isinstance(error, IntegrityError) or is_own_doing(error):
                _isolate(events, error)
            else:
                _rest(events, error)
        except Moved:
            _put_back(events)
        except Exception as error:
            _isolate(events, error)
        return


def _release_expired() -> None:
    """Those that took too many workers along each for itself: nothing that is wrong with one holds up the others."""
    events = InboundEvent.objects.get_queryset()
    for pk in list(events.expired().filter(claims__gte=MAX_CLAIMS).values_list("pk", flat=True)):
        try:
            _set_aside(pk)
        except DatabaseError:
            logger.exception("An event could not be set aside", extra={"event": pk})
    events.filter(claims__lt=MAX_CLAIMS).release_expired()


@transaction.atomic
def _set_aside(pk: int) -> None:
    """It has its row in the log from the same moment on: Replay and Dismiss are found by it."""
    if InboundEvent.objects.get_queryset().filter(pk=pk).release_expired():
        event = InboundEvent.objects.get(pk=pk)
        stored_events.log_failure(
            event, State.DEAD, "The worker stopped each time it worked on this event. It is set aside."
        )


def _apply(events: list[InboundEvent]) -> None:
    started = time.monotonic()
    batch = [_incoming(event) for event in events]
    with transaction.atomic():
        connection = fenced(events[0].connection_id)
        mine = _still_mine(events)
        kept = [incoming for incoming in batch if incoming.event and incoming.event.pk in mine]
        outcomes = ingest.ingest(connection, kept, started)
        _finish(connection, kept, outcomes)


def fenced(connection_id: int, epoch: int | None = None) -> Connection:
    """The connection, held against disconnecting until the transaction ends. Moved if it is not connected."""
    fence.hold_together(connection_id)
    # A statement of its own: what the one that waits sees was so before it waited.
    connection = Connection.objects.filter(pk=connection_id).first()
    if connection is None or not connection.is_connected or epoch not in (None, connection.epoch):
        raise Moved
    return connection


def _incoming(event: InboundEvent) -> Incoming:
    via = Origin.REPLAY if event.replays else Origin(event.via)
    return Incoming(translate.from_event(translate.parse(bytes(event.body or b""))), via, event=event)


def _still_mine(events: list[InboundEvent]) -> set[int]:
    """Lock the rows whose claim is still ours; a worker frozen past its lease finds none."""
    claims = [array("int8", [event.pk for event in events]), array("int4", [event.claim_no for event in events])]
    return {pk for (pk,) in rows.execute(_MINE, claims)}


_MINE = """
    select event.id from unnest(%b::int8[], %b::int4[]) as claim(id, number)
    join connections_inboundevent as event on event.id = claim.id and event.claim_no = claim.number
    where event.state = 'running' order by event.id for update of event
"""


def _finish(connection: Connection, batch: list[Incoming], outcomes: list[Outcome]) -> None:
    """End the claims: done, ignored, or waiting for objects that are not held yet."""
    ends: list[tuple[int, str, str]] = []
    for incoming, outcome in zip(batch, outcomes, strict=True):
        if incoming.event is None:
            continue
        ignored = outcome.result == SyncLogEntry.Result.IGNORED
        state = State.WAITING if outcome.waits_for else State.IGNORED if ignored else State.DONE
        ends.append((incoming.event.pk, state.value, rows.literal(sorted(outcome.waits_for))))
    ends.sort()
    ids, states, waits = ([end[place] for end in ends] for place in range(3))
    rows.execute(_END, [BODIES, array("int8", ids), array("text", states), array("text", waits)])
    stored_events.release(connection, {key for outcome in outcomes for key in outcome.stored})


# Nobody asked for ignored events, so what they say of people is not kept; nor is what ends when its time is over.
# What was wanted once (it waited, was tried or is replayed) is kept for its time, to be replayed when it is wanted
# again. Those that ran remember what they waited for.
_END = """
    update connections_inboundevent as event set
        state = ending.state, claims = 0, lease_until = null, last_error = '', last_error_code = '',
        body = case when ending.state = 'ignored'
                and event.replays = 0 and event.attempts = 0 and event.waits_for = '{}'
            or ending.state in ('done', 'ignored') and event.received_at < statement_timestamp() - %s::interval
            then null else event.body end,
        waits_for = case when ending.state = 'waiting' then ending.waits_for::varchar[] else event.waits_for end,
        processed_at = case when ending.state = 'waiting' then event.processed_at else statement_timestamp() end
    from unnest(%b::int8[], %b::text[], %b::text[]) as ending(id, state, waits_for)
    where event.id = ending.id
"""


def _rest(events: list[InboundEvent], error: Exception) -> None:
    """Put the events back for a moment; it is no failure of theirs. Without a database their lease does the same."""
    logger.warning("The database refused a batch of events, which is put back: %r", error)
    with transaction.atomic():
        for event in events:
            event.later(_REST, code=type(error).__name__, error=f"{type(error).__name__}: {error}")


def _isolate(events: list[InboundEvent], error: Exception) -> None:
    if len(events) > 1:
        middle = len(events) // 2
        work(events[:middle])
        work(events[middle:])
        return
    event = events[0]
    unreadable = isinstance(error, Unreadable)
    reason = str(error) if unreadable else "Millrace could not apply this event. It is kept and tried again."
    logger.exception("An event could not be applied", extra={"event_id": event.event_id}, exc_info=error)
    with transaction.atomic():
        if not _still_mine(events):
            # Whoever has it now tells what becomes of it.
            return
        code = "unparsable" if unreadable else type(error).__name__
        state = event.failed(code=code, error=f"{type(error).__name__}: {error}"[:500], permanent=unreadable)
        if state == State.DEAD and not unreadable:
            reason = "Millrace could not apply this event, however often it tried. Its body is kept for Replay."
        stored_events.log_failure(event, state, reason)


def _put_back(events: list[InboundEvent]) -> None:
    """The account was disconnected meanwhile: nothing more is written for it, nothing is lost either."""
    for event in events:
        event.mark(State.HELD, code="disconnected", error="The account was disconnected before this was applied.")
