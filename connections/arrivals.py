"""Deliveries on their way into the inbox: those that arrive at once share a statement and a commit.

A statement and its commit are what storing an event costs most. Whoever comes while another thread writes waits for it
to finish; then one of those who waited writes for all of them, and for those who come within a few milliseconds more:
where two came at once, there are more behind them. Whoever finds nobody writing waits for no company.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db import OperationalError
from django.db import connection as database

from common import rows
from common.arrays import array
from common.kept import Kept
from common.origin import Origin
from connections.models import Connection
from connections.sources.stripe.translate import Envelope

_CROSSWISE_TRIES = 3
# How long a busy door gathers deliveries for one statement.
_GATHERING_SECONDS = 0.003


@dataclass
class Arrival:
    """An event to be stored for a connection, as the connection was when its signature was checked.

    `taken` afterwards: False if the connection was disconnected or re-keyed meanwhile; then nothing was stored.
    """

    connection_id: int
    epoch: int
    about: Envelope
    body: bytes
    taken: bool = False
    error: Exception | None = field(default=None, repr=False)
    is_done: bool = False
    # Held until it is done, or its turn to write for those who wait.
    called: threading.Lock = field(default_factory=threading.Lock, repr=False)


_waiting: list[Arrival] = []
_is_writing = False
# Of the two above, never held for long.
_queue = threading.Lock()
# Whoever writes has it; it is written from nowhere else.
_line = Kept()


def store(arrival: Arrival) -> bool:
    """Commit the event, or find that it is stored already. `Arrival.taken`; DatabaseError if it could not be stored."""
    global _is_writing
    with _queue:
        follows, _is_writing = _is_writing, True
        _waiting.append(arrival)
        arrival.called.acquire()
    if follows:
        arrival.called.acquire()
    if not arrival.is_done:
        if follows:
            time.sleep(_GATHERING_SECONDS)
        _write()
    if arrival.error:
        raise arrival.error
    return arrival.taken


def _write() -> None:
    """For all who wait; then call the first of those who came meanwhile to do the same."""
    global _is_writing
    with _queue:
        group = _waiting.copy()
        _waiting.clear()
    try:
        _store(group)
    finally:
        with _queue:
            _is_writing = bool(_waiting)
            called = [*group, *_waiting[:1]]
        for arrival in called:
            arrival.called.release()


def _store(group: list[Arrival]) -> None:
    try:
        _insert(group)
    except Exception as error:
        if len(group) == 1 or _is_without_database(error):
            for arrival in group:
                arrival.error = error
        else:
            # One that cannot be stored must not take the others along.
            for arrival in group:
                _store([arrival])
    finally:
        for arrival in group:
            arrival.is_done = True


def _insert(group: Iterable[Arrival]) -> None:
    # In order of key, so that two processes with the same events do not lock crosswise.
    ordered = sorted(group, key=lambda arrival: (arrival.connection_id, arrival.about.id))
    doors = sorted({(arrival.connection_id, arrival.epoch) for arrival in ordered})
    columns = [
        array("int8", [pk for pk, _ in doors]),
        array("int4", [epoch for _, epoch in doors]),
        _CONNECTED,
        Origin.WEBHOOK.value,
        array("int8", [arrival.connection_id for arrival in ordered]),
        array("int4", [arrival.epoch for arrival in ordered]),
        array("text", [arrival.about.id for arrival in ordered]),
        array("text", [arrival.about.type for arrival in ordered]),
        array("text", [arrival.about.api_version for arrival in ordered]),
        array("text", [arrival.about.object_id for arrival in ordered]),
        array("int2", [arrival.about.lane for arrival in ordered]),
        array("timestamptz", [arrival.about.created for arrival in ordered]),
        array("bytea", [arrival.body for arrival in ordered]),
    ]
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            live = set(_execute(_INSERT, columns))
            break
        except OperationalError as error:
            # Only crosswise locks pass at once.
            if attempt == _CROSSWISE_TRIES or _sqlstate(error) not in ("40001", "40P01"):
                raise
    for arrival in ordered:
        arrival.taken = (arrival.connection_id, arrival.epoch) in live


def _execute(statement: str, columns: list[Any]) -> list[tuple[Any, ...]]:
    """By the process's own line where there is a pool, as in web processes; else as everybody does."""
    return (_line if _has_pool() else rows).execute(statement, columns)


@cache
def _has_pool() -> bool:
    return "pool" in database.settings_dict["OPTIONS"]


def _is_without_database(error: Exception) -> bool:
    """No connection: not to be had, lost, or ended by a server that stops; or a lock or an answer that does not come in
    time. Each next try would wait as long again, while everybody waits for us.
    """
    return isinstance(error, OperationalError) and _sqlstate(error).startswith(_NOT_TO_BE_HAD)


_NOT_TO_BE_HAD = ("none", "08", "53", "57P", "57014", "55P03")


def _sqlstate(error: Exception) -> str:
    return getattr(error.__cause__, "sqlstate", None) or "none"


_CONNECTED = [Connection.State.ACTIVE.value, Connection.State.AUTH_FAILED.value]
_INSERT = """
    with live as materialized (
        select here.id, here.epoch from unnest(%b::int8[], %b::int4[]) as door(id, epoch)
        join connections_connection as here on here.id = door.id and here.epoch = door.epoch
        where here.state = any(%b::text[])
    ), stored as (
        insert into connections_inboundevent
            (connection_id, event_id, via, type, api_version, object_id, lane, occurred_at, body, missed,
             state, claim_no, claims, attempts, last_error_code, last_error, waits_for, replays)
        select event.connection_id, event.id, %b::text, event.type, event.api_version, event.object_id,
            event.lane, event.created, event.body, false, 'due', 0, 0, 0, '', '', '{}', 0
        from unnest(%b::int8[], %b::int4[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int2[],
                    %b::timestamptz[], %b::bytea[])
            as event(connection_id, epoch, id, type, api_version, object_id, lane, created, body)
        join live on live.id = event.connection_id and live.epoch = event.epoch
        order by event.connection_id, event.id
        on conflict (connection_id, event_id) do nothing
    )
    select id, epoch from live
"""
