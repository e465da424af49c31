"""Events in the inbox: stored once, whoever brings them; due again when somebody asks or what they wait for comes."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection as database
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Least, Now

from common.due import State
from common.origin import Origin
from connections import log
from connections.models import Connection, InboundEvent, SyncLogEntry
from connections.sources.stripe.translate import Envelope

_INSERT = """
    insert into connections_inboundevent
        (connection_id, event_id, via, type, api_version, object_id, lane, occurred_at, body, missed,
         state, claim_no, claims, attempts, last_error_code, last_error, waits_for, replays)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'due', 0, 0, 0, '', '', '{}', 0)
    on conflict (connection_id, event_id) do nothing
    returning id
"""


def store(connection: Connection, about: Envelope, body: bytes, via: Origin, *, missed: bool = False) -> bool:
    """Keep an event, once, whoever brings it first. False if we had it."""
    values = (
        about.id,
        via.value,
        about.type,
        about.api_version,
        about.object_id,
        about.lane,
        about.created,
        body,
        missed,
    )
    with database.cursor() as cursor:
        cursor.execute(_INSERT, (connection.pk, *values))
        return cursor.fetchone() is not None


def store_unreadable(
    connection: Connection, event_id: str, body: bytes, reason: str, via: Origin = Origin.WEBHOOK
) -> None:
    """Keep a signed body nobody can read, set aside for a person to look at."""
    with transaction.atomic():
        event, is_new = InboundEvent.objects.get_or_create(
            connection=connection,
            event_id=event_id,
            defaults={
                "via": via,
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
            log_failure(event, State.DEAD, reason)


def replay(events: Iterable[InboundEvent]) -> int:
    """Have events applied again, whatever became of them; those without a body stay. Returns how many."""
    return replay_ids([event.pk for event in events if event.body])


def replay_ids(ids: list[int]) -> int:
    """The same for events known to have a body.

    One that is to be tried again by itself is tried now, with the whole schedule before it again; its row in the log
    stays the one that its first failure left. What is worked on, or due, is left alone.
    """
    chosen = InboundEvent.objects.filter(pk__in=ids)
    hurried = chosen.filter(state=State.DUE, next_attempt_at__gt=Now()).update(
        next_attempt_at=Now(), attempts=Least("attempts", 1)
    )
    begun = chosen.exclude(state__in=[State.RUNNING, State.DUE]).update(
        state=State.DUE,
        replays=F("replays") + 1,
        claims=0,
        attempts=0,
        waits_for=[],
        next_attempt_at=Now(),
        last_error_code="",
        last_error="",
    )
    return hurried + begun


def in_hand() -> Q:
    """Condition of events that are worked on, or are about to be, without anybody's asking."""
    return Q(state=State.RUNNING) | Q(state=State.DUE, next_attempt_at__lte=Now())


def release(connection: Connection, keys: Iterable[str]) -> None:
    """Objects are held now: events that waited for them are due again. They remember what they waited for."""
    with database.cursor() as cursor:
        cursor.execute(_RELEASE, [connection.pk, sorted(keys)])


_RELEASE = """
    update connections_inboundevent set state = 'due', next_attempt_at = statement_timestamp()
    where connection_id = %s and state = 'waiting' and waits_for && %s::varchar[]
"""


def release_held() -> int:
    """Events that wait for nothing that is still wished for: due again, too. Returns how many.

    Who stores an object releases those who wait for it. This is the net below, without which one that was forgotten, as
    by a version before, would wait for ever.
    """
    with database.cursor() as cursor:
        cursor.execute(_RELEASE_HELD)
        return int(cursor.rowcount)


_RELEASE_HELD = """
    update connections_inboundevent set state = 'due', next_attempt_at = statement_timestamp()
    where id in (
        select event.id from connections_inboundevent as event
        join connections_connection as connection on connection.id = event.connection_id and connection.state = 'active'
        where event.state = 'waiting' and not exists (
            select from unnest(event.waits_for) as key
            join connections_remoteobject as object on object.connection_id = event.connection_id
                and object.type = split_part(key, ':', 1)
                and object.external_id = substr(key, strpos(key, ':') + 1)
            where object.wanted_at is not null)
        order by event.id for update of event skip locked)
"""


def log_failure(event: InboundEvent, state: State, reason: str) -> None:
    """The row of the log that says why an event was not applied."""
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
