"""The inbox: events stored once, worked in batches, retried alone, set aside with their body when nothing helps."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from django.db import IntegrityError, OperationalError, transaction
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now

from common.due import State
from common.origin import Origin
from connections import ingest, log
from connections.ingest import Incoming, Outcome
from connections.models import Connection, InboundEvent, SyncLogEntry
from connections.sources.stripe import translate
from connections.sources.stripe.translate import Envelope, Unreadable

logger = logging.getLogger(__name__)
BATCH = 100
DRAIN_SECONDS = 20
_CROSSWISE_TRIES = 5


class Moved(Exception):
    """The connection was disconnected or re-keyed while its events were worked on; nothing was written."""


_INSERT = """
    insert into connections_inboundevent
        (connection_id, event_id, via, type, api_version, object_id, occurred_at, body, missed,
         state, claim_no, claims, attempts, last_error_code, last_error, waits_for, replays)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'due', 0, 0, 0, '', '', '{}', 0)
    on conflict (connection_id, event_id) do nothing
    returning id
"""


def store(connection: Connection, about: Envelope, body: bytes, via: Origin, *, missed: bool = False) -> bool:
    """Keep an event, once, whoever brings it first. False if we had it."""
    values = (about.id, via.value, about.type, about.api_version, about.object_id, about.created, body, missed)
    with database.cursor() as cursor:
        cursor.execute(_INSERT, (connection.pk, *values))
        return cursor.fetchone() is not None


def store_unreadable(connection: Connection, event_id: str, body: bytes, reason: str) -> None:
    """Keep a signed body nobody can read, set aside for a person to look at."""
    with transaction.atomic():
        event, is_new = InboundEvent.objects.get_or_create(
            connection=connection,
            event_id=event_id,
            defaults={
                "via": Origin.WEBHOOK,
                "occurred_at": Now(),
                "body": body,
                "state": State.DEAD,
                "last_error_code": "unparsable",
                "last_error": reason,
                "processed_at": Now(),
            },
        )
        if is_new:
            event.refresh_from_db()
            _log_failure(event, State.DEAD, reason)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Work due events until there are none or the time is up. Returns how many were worked."""
    ends = time.monotonic() + seconds
    worked = 0
    while time.monotonic() < ends:
        _release_expired()
        events = InboundEvent.objects.claim(BATCH)
        if not events:
            break
        for connection_id in sorted({event.connection_id for event in events}):
            work([event for event in events if event.connection_id == connection_id])
        worked += len(events)
    return worked


def work(events: list[InboundEvent]) -> None:
    """Apply claimed events of one connection. The batch is split until one that cannot be applied fails alone."""
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            _apply(events)
        except (IntegrityError, OperationalError) as error:
            # Another worker made the same contact or locked crosswise: the next look finds its rows.
            if attempt < _CROSSWISE_TRIES:
                time.sleep(0.02 * attempt)
                continue
            _isolate(events, error)
        except Moved:
            _put_back(events)
        except Exception as error:
            _isolate(events, error)
        return


def replay(events: Iterable[InboundEvent]) -> int:
    """Have events applied again, whatever became of them; those without a body stay. Returns how many."""
    return replay_ids([event.pk for event in events if event.body])


def replay_ids(ids: list[int]) -> int:
    """The same for events known to have a body."""
    return (
        InboundEvent.objects.filter(pk__in=ids)
        .exclude(state__in=[State.RUNNING, State.DUE])
        .update(
            state=State.DUE,
            replays=F("replays") + 1,
            claims=0,
            attempts=0,
            waits_for=[],
            next_attempt_at=Now(),
            last_error_code="",
            last_error="",
        )
    )


def release(connection: Connection, keys: Iterable[str]) -> int:
    """Objects are held now: events that waited for them are due again. They remember what they waited for."""
    return InboundEvent.objects.filter(
        connection=connection, state=State.WAITING, waits_for__overlap=sorted(keys)
    ).update(state=State.DUE, next_attempt_at=Now())


def _release_expired() -> None:
    for pk in InboundEvent.objects.release_expired():
        event = InboundEvent.objects.get(pk=pk)
        _log_failure(event, State.DEAD, "The worker stopped each time it worked on this event. It is set aside.")


def _apply(events: list[InboundEvent]) -> None:
    started = time.monotonic()
    batch = [_incoming(event) for event in events]
    with transaction.atomic():
        connection = fenced(events[0].connection_id)
        mine = _still_mine(events)
        kept = [incoming for incoming in batch if incoming.event and incoming.event.pk in mine]
        outcomes = ingest.ingest(connection, kept)
        _finish(connection, kept, outcomes, int((time.monotonic() - started) * 1000))


def fenced(connection_id: int, epoch: int | None = None) -> Connection:
    """The connection, held against disconnecting until the transaction ends. Moved if it is not connected."""
    with database.cursor() as cursor:
        cursor.execute("select epoch from connections_connection where id = %s for share", [connection_id])
        row = cursor.fetchone()
    connection = Connection.objects.filter(pk=connection_id).first()
    if row is None or connection is None or not connection.is_connected or (epoch is not None and row[0] != epoch):
        raise Moved
    return connection


def _incoming(event: InboundEvent) -> Incoming:
    via = Origin.REPLAY if event.replays else Origin(event.via)
    return Incoming(translate.from_event(translate.parse(bytes(event.body or b""))), via, event=event)


def _still_mine(events: list[InboundEvent]) -> set[int]:
    """Lock the rows whose claim is still ours; a worker frozen past its lease finds none."""
    claims = {event.pk: event.claim_no for event in events}
    rows = (
        InboundEvent.objects.filter(pk__in=claims, state=State.RUNNING)
        .order_by("pk")
        .select_for_update(of=("self",))
        .values_list("pk", "claim_no")
    )
    return {pk for pk, claim_no in rows if claims[pk] == claim_no}


def _finish(connection: Connection, batch: list[Incoming], outcomes: list[Outcome], took_ms: int) -> None:
    done, ignored = [], []
    for incoming, outcome in zip(batch, outcomes, strict=True):
        event = incoming.event
        if event is None:
            continue
        if outcome.waits_for:
            InboundEvent.objects.filter(pk=event.pk).update(
                state=State.WAITING, claims=0, lease_until=None, waits_for=sorted(outcome.waits_for)
            )
        elif outcome.result == SyncLogEntry.Result.IGNORED:
            ignored.append(event.pk)
        else:
            done.append(event.pk)
    ended = {"claims": 0, "lease_until": None, "processed_at": Now(), "last_error": "", "last_error_code": ""}
    InboundEvent.objects.filter(pk__in=done).update(state=State.DONE, **ended)
    # Nobody asked for these, so what they say of people is not kept.
    InboundEvent.objects.filter(pk__in=ignored).update(state=State.IGNORED, body=None, **ended)
    each = max(1, took_ms // max(1, len(batch)))
    SyncLogEntry.objects.filter(inbound__in=[*done, *ignored], duration_ms__isnull=True).update(duration_ms=each)
    release(connection, {key for outcome in outcomes for key in outcome.stored})


def _isolate(events: list[InboundEvent], error: Exception) -> None:
    if len(events) > 1:
        middle = len(events) // 2
        work(events[:middle])
        work(events[middle:])
        return
    event = events[0]
    unreadable = isinstance(error, Unreadable)
    reason = str(error) if unreadable else "Millrace could not apply this event. It is kept and tried again."
    logger.exception("An event could not be applied", extra={"event": event.event_id}, exc_info=error)
    with transaction.atomic():
        code = "unparsable" if unreadable else type(error).__name__
        state = event.failed(code=code, error=f"{type(error).__name__}: {error}"[:500], permanent=unreadable)
        if state == State.DEAD and not unreadable:
            reason = "Millrace could not apply this event, however often it tried. Its body is kept for Replay."
        _log_failure(event, state, reason)


def _log_failure(event: InboundEvent, state: State, reason: str) -> None:
    result = SyncLogEntry.Result.DEAD if state == State.DEAD else SyncLogEntry.Result.FAILED
    log.write(
        [
            SyncLogEntry(
                pk=log.ids_for([event])[0],
                connection_id=event.connection_id,
                inbound=event,
                replay=event.replays,
                via=Origin.REPLAY if event.replays else event.via,
                event_id=event.event_id,
                event_type=event.type,
                object_id=event.object_id,
                result=result,
                reason=reason,
                occurred_at=event.occurred_at,
            )
        ]
    )


def _put_back(events: list[InboundEvent]) -> None:
    """The account was disconnected meanwhile: nothing more is written for it, nothing is lost either."""
    for event in events:
        event.mark(State.HELD, code="disconnected", error="The account was disconnected before this was applied.")
