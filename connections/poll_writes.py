"""Polled events on their way into the inbox: a slice, its watermark and the lease in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from common import rows
from common.arrays import array
from common.origin import Origin
from connections import inbox, stored_events, webhooks
from connections.models import Connection, ConnectionStatus
from connections.sources.stripe import translate
from connections.sources.stripe.translate import Envelope, Unreadable

LATE = timedelta(minutes=2)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Sorted:
    """Events of a slice, oldest first: those to be kept, and those nobody can read, with the reason.

    `newest`: when the newest of all happened, whether kept or not.
    """

    kept: list[tuple[Envelope, bytes]]
    unreadable: list[tuple[bytes, str]]
    newest: datetime | None = None


def sort_out(connection: Connection, bodies: list[bytes]) -> Sorted:
    """Leave out what the webhook does not bring either: the list has every event of the account.

    Nor does it bring what happened before a resource was connected, or an event switched on, that asks for it: the
    list begins at the last look, which may be an hour ago.
    """
    wanted = None if connection.asks_itself else webhooks.wanted_since(connection)
    found = Sorted([], [])
    for body in bodies:
        try:
            about = translate.envelope(translate.parse(body))
        except Unreadable as error:
            if wanted is None or translate.type_of(body) in ("", *wanted):
                found.unreadable.append((body, str(error)))
            continue
        found.newest = max(found.newest or about.created, about.created)
        if wanted is None or about.created >= wanted.get(about.type, _NEVER):
            found.kept.append((about, body))
    return found


def write(connection: Connection, found: Sorted, **status: Any) -> int:
    """Store them, once, and with them what the connection's status says from now on. Returns how many were new.

    inbox.Moved if the connection was disconnected or re-keyed since it was read; then nothing is written.
    """
    with transaction.atomic():
        inbox.fenced(connection.pk, connection.epoch)
        missed = _insert(connection, found.kept) if found.kept else []
        for body, reason in found.unreadable:
            stored_events.store_unreadable(connection, translate.name_of(body), body, reason, Origin.POLL)
        if any(missed):
            status["missed_webhooks"] = F("missed_webhooks") + sum(missed)
        ConnectionStatus.objects.filter(pk=connection.pk).update(poll_moved_at=Now(), poll_error="", **status)
    return len(missed)


def _insert(connection: Connection, events: list[tuple[Envelope, bytes]]) -> list[bool]:
    """Of each that was new whether a webhook should have brought it long ago.

    In order of key, as deliveries are, so that the two do not lock crosswise; worked in the order they happened in.
    """
    late = datetime.now(UTC) - LATE
    turns = [(about, body, len(events) - turn) for turn, (about, body) in enumerate(events)]
    turns.sort(key=lambda one: one[0].id)
    abouts = [about for about, _, _ in turns]
    columns = [
        connection.pk,
        Origin.POLL.value,
        array("text", [about.id for about in abouts]),
        array("text", [about.type for about in abouts]),
        array("text", [about.api_version for about in abouts]),
        array("text", [about.object_id for about in abouts]),
        array("int2", [about.lane for about in abouts]),
        array("timestamptz", [about.created for about in abouts]),
        array("bytea", [body for _, body, _ in turns]),
        array("bool", [not connection.asks_itself and about.created < late for about in abouts]),
        array("int4", [turn for _, _, turn in turns]),
    ]
    return [missed for (missed,) in rows.execute(_INSERT, columns)]


_INSERT = """
    insert into connections_inboundevent
        (connection_id, via, event_id, type, api_version, object_id, lane, occurred_at, body, missed, next_attempt_at,
         state, claim_no, claims, attempts, last_error_code, last_error, waits_for, replays)
    select %b::int8, %b::text, event.id, event.type, event.api_version, event.object_id, event.lane, event.created,
        event.body, event.missed, statement_timestamp() - event.turn * interval '1 microsecond',
        'due', 0, 0, 0, '', '', '{}', 0
    from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::int2[], %b::timestamptz[], %b::bytea[],
                %b::bool[], %b::int4[])
        as event(id, type, api_version, object_id, lane, created, body, missed, turn)
    order by event.id
    on conflict (connection_id, event_id) do nothing
    returning missed
"""
