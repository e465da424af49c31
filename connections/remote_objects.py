"""The guard: the newest state of each remote object, whatever the order in which states arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from django.db.models import Q, QuerySet

from common import rows as bulk
from common.due import database_now
from common.text import loads
from connections.models import Connection, RemoteObject
from connections.sources.base import HeldObject, ObjectState
from connections.sources.stripe import order, shapes


class Verdict(Enum):
    """`WANTED`: the payloads do not tell which state is newer, so the object is fetched.

    `ENRICHED`: ours is kept, but for parts it lacked.
    """

    TAKEN = "taken"
    ENRICHED = "enriched"
    STALE = "stale"
    WANTED = "wanted"


@dataclass
class Held:
    """The objects of a batch as held after its states were considered. Verdicts stand in the order of the states."""

    rows: dict[str, RemoteObject]
    verdicts: list[Verdict]
    # Locked, or made, by this transaction: nobody else changes them before it ends.
    ours: set[str] = field(default_factory=set)

    def objects(self) -> dict[str, HeldObject]:
        return {key: as_held(row) for key, row in self.rows.items() if row.body is not None}


def as_held(row: RemoteObject) -> HeldObject:
    """The row as mapping reads it. The row must have a body."""
    as_of = row.as_of or datetime.fromtimestamp(0, UTC)
    return HeldObject(row.type, row.external_id, as_of, row.body or {}, bool(row.deleted_at), row.event_type)


def hold(connection: Connection, states: list[ObjectState], needed: set[str]) -> Held:
    """Let the guard consider every state in turn; also load the `needed` objects.

    Rows are locked in order of key until the caller's transaction ends. IntegrityError if another worker stores the
    same new object just now: roll back and do it again.
    """
    # Objects that only come along unchanged (a price in each of ten thousand subscriptions) are not locked.
    along = {state.key for state in states if state.fetched} | needed
    known = read(connection, along)
    news = [not _already_held(known.get(state.key), state) for state in states]
    touched = {state.key for state, is_new in zip(states, news, strict=True) if is_new}
    touched |= {key for key in needed if key not in known or known[key].body is None}
    locked = read(connection, touched, lock=True)
    known |= locked
    changed: dict[str, RemoteObject] = {}
    verdicts = []
    for state, is_new in zip(states, news, strict=True):
        row = known.get(state.key)
        if row is None:
            row = known[state.key] = _blank(connection, state.type, state.external_id)
        verdict = _enrich(row, state, _consider(row, state)) if is_new else Verdict.TAKEN
        if is_new and verdict is not Verdict.STALE:
            changed[state.key] = row
        verdicts.append(verdict)
    _save(changed)
    return Held(known, verdicts, locked.keys() | changed.keys())


def want(connection: Connection, held: Held, keys: set[str]) -> set[str]:
    """Wish for objects we do not hold. Returns the keys that really lack a body.

    Their rows are locked until the transaction ends, so a fetch cannot slip in between the look and the waiting.
    """
    unknown = keys - held.rows.keys()
    held.rows.update(read(connection, unknown, lock=True))
    lacking = {key for key in keys if key not in held.rows or held.rows[key].body is None}
    if not lacking:
        return lacking
    now = database_now()
    missing: list[RemoteObject] = []
    for key in sorted(lacking):
        row = held.rows.get(key)
        if row is None:
            row = held.rows[key] = _blank(connection, *_parts(key))
        if row._state.adding:
            row.wanted_at = now
            missing.append(row)
        elif row.wanted_at is None:
            RemoteObject.objects.filter(pk=row.pk).update(wanted_at=now, wanted_attempts=0, wanted_error="")
    bulk.insert(missing)
    return lacking


def wish(connection: Connection, keys: set[str]) -> None:
    """Wish for objects nobody waits for: what follows from them is made anew when they come."""
    if unknown := keys - known_keys(connection, keys):
        _make_empty(connection, unknown, wanted_at=database_now())


def lock(connection: Connection, keys: set[str]) -> None:
    """Hold these rows, in order of key, until the transaction ends. Those that do not exist are made, empty."""
    if not keys:
        return
    if missing := keys - known_keys(connection, keys, lock=True):
        _make_empty(connection, missing)
        known_keys(connection, missing, lock=True)


def _make_empty(connection: Connection, keys: set[str], **values: Any) -> None:
    bulk.insert(
        [RemoteObject(connection=connection, type=kind, external_id=id_, **values) for kind, id_ in _split(keys)],
        conflict="on conflict (connection_id, type, external_id) do nothing",
    )


_NAMES = [field.attname for field in RemoteObject._meta.concrete_fields]
_HERE = """
    from unnest(%b::text[], %b::text[]) as wanted(type, external_id)
    join connections_remoteobject as o
      on o.connection_id = %b and o.type = wanted.type and o.external_id = wanted.external_id
"""
_LOCKED = " order by o.type, o.external_id for no key update of o"
SELECT = "select " + ", ".join(f"o.{name}" for name in _NAMES)
_READ = SELECT + _HERE
_KNOWN = "select o.type, o.external_id" + _HERE


def read(connection: Connection, keys: Iterable[str], *, lock: bool = False) -> dict[str, RemoteObject]:
    """The rows of these keys that exist; locked in order of key until the transaction ends, if asked."""
    found = _ask(_READ, connection, keys, lock)
    return {row.key: row for row in map(row_of, found)}


def known_keys(connection: Connection, keys: Iterable[str], *, lock: bool = False) -> set[str]:
    """Which of the keys have a row."""
    return {f"{kind}:{external_id}" for kind, external_id in _ask(_KNOWN, connection, keys, lock)}


def row_of(values: Sequence[Any]) -> RemoteObject:
    """A row from the values of SELECT."""
    parsed = [loads(value) if place in _JSON and value is not None else value for place, value in enumerate(values)]
    return RemoteObject.from_db("default", _NAMES, parsed)


_JSON = {_NAMES.index("body"), _NAMES.index("previous")}


def _ask(statement: str, connection: Connection, keys: Iterable[str], lock: bool) -> list[tuple[Any, ...]]:
    pairs = _split(keys)
    if not pairs:
        return []
    kinds, ids = zip(*pairs, strict=True)
    return bulk.execute(statement + (_LOCKED if lock else ""), [list(kinds), list(ids), connection.pk])


def _split(keys: Iterable[str]) -> list[tuple[str, str]]:
    return sorted(_parts(key) for key in keys)


def _parts(key: str) -> tuple[str, str]:
    kind, _, external_id = key.partition(":")
    return kind, external_id


def rows(connection: Connection, keys: set[str]) -> QuerySet[RemoteObject]:
    """What we hold, or wish for, of these objects."""
    ids_by_type: dict[str, list[str]] = {}
    for key in sorted(keys):
        kind, _, external_id = key.partition(":")
        ids_by_type.setdefault(kind, []).append(external_id)
    matching = Q(pk__in=[])
    for kind, ids in ids_by_type.items():
        matching |= Q(type=kind, external_id__in=ids)
    return RemoteObject.objects.filter(matching, connection=connection)


def _blank(connection: Connection, kind: str, external_id: str) -> RemoteObject:
    return RemoteObject(connection=connection, type=kind, external_id=external_id)


def _already_held(row: RemoteObject | None, state: ObjectState) -> bool:
    """A state that came along inside another object and says nothing new."""
    return (
        row is not None
        and state.fetched
        and row.body == state.body
        and row.wanted_at is None
        and not state.deleted
        and row.type != "customer"
    )


def _consider(row: RemoteObject, state: ObjectState) -> Verdict:
    """One row of the guard's table (docs/architecture.md). Changes the row, saves nothing."""
    if row.body is None or row.as_of is None or (row.event_id and row.event_id == state.event_id):
        return _take(row, state)
    if state.as_of < row.as_of:
        return Verdict.STALE
    if state.as_of > row.as_of:
        if state.fetched or not _suspicious(row, state):
            return _take(row, state)
        return _wish(row)
    newer = order.later(row.type, row.body, row.event_type, row.previous, state.body, state.event_type, state.previous)
    if row.deleted_at and not state.deleted:
        newer = False
    elif state.deleted:
        newer = True
    if newer is None:
        read_since = state.waited and not row.event_id
        return Verdict.STALE if read_since else _wish(row)
    return _take(row, state) if newer else Verdict.STALE


def _enrich(row: RemoteObject, state: ObjectState, verdict: Verdict) -> Verdict:
    """Even an older state may bring parts that ours lacks."""
    if verdict is not Verdict.STALE or row.body is None:
        return verdict
    body = order.completed(row.type, row.body, state.body)
    if body is row.body:
        return verdict
    row.body = body
    return Verdict.ENRICHED


def _suspicious(row: RemoteObject, state: ObjectState) -> bool:
    """A newer event that undoes what Stripe never undoes."""
    if row.deleted_at:
        return not state.deleted
    return order.goes_back(row.type, row.body or {}, state.body)


def _take(row: RemoteObject, state: ObjectState) -> Verdict:
    row.body = order.completed(row.type, state.body, row.body)
    row.as_of, row.previous = state.as_of, state.previous
    row.refs = shapes.references(state.body)
    row.event_id, row.event_type, row.api_version = state.event_id, state.event_type, state.api_version
    row.deleted_at = state.as_of if state.deleted else None
    row.wanted_at, row.wanted_attempts, row.wanted_error = None, 0, ""
    return Verdict.TAKEN


def _wish(row: RemoteObject) -> Verdict:
    row.wanted_at, row.wanted_attempts = database_now(), 0
    return Verdict.WANTED


def _save(changed: dict[str, RemoteObject]) -> None:
    rows = [changed[key] for key in sorted(changed)]
    known = [row for row in rows if row.pk is not None]
    bulk.insert([row for row in rows if row.pk is None])
    bulk.update(known, _STATE)


_STATE = [
    "body",
    "refs",
    "as_of",
    "previous",
    "event_id",
    "event_type",
    "api_version",
    "deleted_at",
    "wanted_at",
    "wanted_attempts",
    "wanted_error",
]
