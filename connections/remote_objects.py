"""The newest state of each remote object: read, locked, and written as the guard decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet

from common import rows as bulk
from common.arrays import texts
from common.due import database_now
from connections import stored_events
from connections.guard import Verdict, already_held, consider
from connections.models import Connection, RemoteObject
from connections.sources.base import HeldObject, ObjectState
from connections.sources.stripe import shapes


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
    body, is_gone = row.body or {}, bool(row.deleted_at)
    return HeldObject(row.type, row.external_id, as_of, body, is_gone, row.event_type, row.event_at)


def hold(
    connection: Connection, states: list[ObjectState], needed: set[str], meets: Callable[[str], bool] | None = None
) -> Held:
    """Let the guard consider every state in turn; also load the `needed` objects.

    Rows are locked until the caller's transaction ends, and so are those they name at which workers must meet
    (`meets`), made, empty, where they do not exist: first what exists, in order of key, then what is new, in the same
    order, so that transactions wait for each other instead of locking crosswise. Events that waited for what comes
    here, whoever brings it, are due again.
    """
    own = [state.key for state in states]
    # Objects that only come along unchanged (a price in each of ten thousand subscriptions) are not locked.
    along = {key for key, state in zip(own, states, strict=True) if state.fetched} | needed
    known = read(connection, along)
    news = [not already_held(known.get(key), state) for key, state in zip(own, states, strict=True)]
    touched = {key for key, is_new in zip(own, news, strict=True) if is_new}
    touched |= {key for key in needed if key not in known or known[key].body is None}
    # Of what says nothing new only its own purchase or subscription is met.
    refs = [
        shapes.references(state.body) if is_new or (meets and meets(key)) else []
        for key, state, is_new in zip(own, states, news, strict=True)
    ]
    meeting = {key for named in refs for key in named if meets(key)} if meets else set()
    met = meeting | touched
    locked = read(connection, met, lock=True)
    known |= locked
    wanted = {key for key, row in known.items() if row.wanted_at}
    verdicts = [Verdict.HELD] * len(states)
    told = [place for place, is_new in enumerate(news) if is_new]
    changed, rewritten = _consider(connection, known, states, refs, told, verdicts)
    stored = [row for row in changed.values() if row.pk is not None]
    known |= {key: _blank(connection, *_parts(key)) for key in meeting - known.keys()}
    if elsewhere := _insert([row for row in known.values() if row.pk is None]):
        # Another transaction made these meanwhile. It has ended, or we would still wait.
        found = read(connection, elsewhere, lock=True)
        known |= found
        wanted |= {key for key, row in found.items() if row.wanted_at}
        places = [place for place in told if own[place] in found]
        later, rewritten_later = _consider(connection, known, states, refs, places, verdicts)
        stored += later.values()
        changed |= later
        rewritten |= rewritten_later
    stored.sort(key=lambda row: (row.type, row.external_id))
    # What was only seen again is most of an import, and its body most of a row.
    bulk.update([row for row in stored if row.key in rewritten], [*_STATE, *_BODY])
    bulk.update([row for row in stored if row.key not in rewritten], _STATE)
    if answered := {key for key in wanted if not known[key].wanted_at}:
        stored_events.release(connection, answered)
    return Held(known, verdicts, met | changed.keys())


def _consider(
    connection: Connection,
    known: dict[str, RemoteObject],
    states: list[ObjectState],
    refs: list[list[str]],
    places: list[int],
    verdicts: list[Verdict],
) -> tuple[dict[str, RemoteObject], set[str]]:
    """Let the guard judge the states at these places. The rows that changed, by key; and which got another body."""
    changed, rewritten = {}, set()
    for place in places:
        state = states[place]
        key = state.key
        row = known.get(key)
        if row is None:
            row = known[key] = _blank(connection, state.type, state.external_id)
        body, named, is_known = row.body, row.refs, not (row.wanted_at or row.deleted_at)
        verdicts[place] = consider(row, state, refs[place])
        if verdicts[place] is Verdict.STALE:
            continue
        changed[key] = row
        if row.body != body or row.refs != named:
            rewritten.add(key)
        elif state.fetched and not state.deleted and verdicts[place] is Verdict.TAKEN and is_known:
            # Only seen again, as every customer is with each of its invoices: nothing follows from that.
            verdicts[place] = Verdict.HELD
    return changed, rewritten


def _insert(rows: list[RemoteObject]) -> set[str]:
    """Insert in order of key; the keys of those that exist by now and were left alone."""
    missing = {row.key: row for row in sorted(rows, key=lambda row: (row.type, row.external_id))}
    for kind, external_id, pk in bulk.insert(
        list(missing.values()), conflict=_ONCE, told=("type", "external_id", "id")
    ):
        missing.pop(f"{kind}:{external_id}").pk = pk
    return set(missing)


_ONCE = "on conflict (connection_id, type, external_id) do nothing"


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
        conflict=_ONCE,
    )


# Each key is looked up by itself, in the order it is given: by the statistics of a growing table an account seems to
# have few objects, and all of them would be read to find a hundred.
_HERE = """
    from unnest(%b::text[], %b::text[]) as wanted(type, external_id)
    cross join lateral (
        select * from connections_remoteobject as held
        where held.connection_id = %b and held.type = wanted.type and held.external_id = wanted.external_id
        {}
    ) as o
"""
_ANYHOW, _LOCKED = "offset 0", "for no key update"
SELECT = "select " + bulk.columns(RemoteObject, "o")
_READ = SELECT + _HERE
_KNOWN = "select o.type, o.external_id" + _HERE
_NAMED = "select o.type, o.external_id, o.refs" + _HERE


def read(connection: Connection, keys: Iterable[str], *, lock: bool = False) -> dict[str, RemoteObject]:
    """The rows of these keys that exist; locked in order of key until the transaction ends, if asked."""
    pairs = _split(keys)
    found = bulk.built(RemoteObject, *_asking(_READ, connection, pairs, lock)) if pairs else []
    return {row.key: row for row in found}


def named(connection: Connection, keys: Iterable[str]) -> set[str]:
    """These keys, as far as they have a row, and the keys that those objects name."""
    pairs = _split(keys)
    found = bulk.execute(*_asking(_NAMED, connection, pairs, lock=False)) if pairs else []
    return {key for kind, external_id, refs in found for key in (f"{kind}:{external_id}", *refs)}


def known_keys(connection: Connection, keys: Iterable[str], *, lock: bool = False) -> set[str]:
    """Which of the keys have a row."""
    pairs = _split(keys)
    found = bulk.execute(*_asking(_KNOWN, connection, pairs, lock)) if pairs else []
    return {f"{kind}:{external_id}" for kind, external_id in found}


def _asking(statement: str, connection: Connection, pairs: list[tuple[str, str]], lock: bool) -> tuple[str, list[Any]]:
    kinds, ids = zip(*pairs, strict=True)
    return statement.format(_LOCKED if lock else _ANYHOW), [texts(kinds), texts(ids), connection.pk]


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
    return bulk.made(RemoteObject, connection_id=connection.pk, type=kind, external_id=external_id)


_BODY = ["body", "refs"]
_STATE = [
    "as_of",
    "previous",
    "event_id",
    "event_type",
    "event_at",
    "api_version",
    "deleted_at",
    "wanted_at",
    "wanted_attempts",
    "wanted_error",
]
