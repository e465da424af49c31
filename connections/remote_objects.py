"""The guard: the newest state of each remote object, whatever the order in which states arrive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

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
    keys = {state.key for state in states} | needed
    known = {row.key: row for row in rows(connection, keys)}
    news = [not _already_held(known.get(state.key), state) for state in states]
    # Objects that only come along unchanged (a price in each of ten thousand subscriptions) are not locked.
    touched = {state.key for state, is_new in zip(states, news, strict=True) if is_new}
    touched |= {key for key in needed if key not in known or known[key].body is None}
    locked = rows(connection, touched).order_by("type", "external_id").select_for_update(no_key=True)
    known |= {row.key: row for row in locked}
    changed: dict[str, RemoteObject] = {}
    verdicts = []
    for state, is_new in zip(states, news, strict=True):
        row = known.setdefault(state.key, _blank(connection, state.type, state.external_id))
        verdict = _enrich(row, state, _consider(row, state)) if is_new else Verdict.TAKEN
        if is_new and verdict is not Verdict.STALE:
            changed[state.key] = row
        verdicts.append(verdict)
    _save(changed)
    return Held(known, verdicts)


def want(connection: Connection, held: Held, keys: set[str]) -> set[str]:
    """Wish for objects we do not hold. Returns the keys that really lack a body.

    Their rows are locked until the transaction ends, so a fetch cannot slip in between the look and the waiting.
    """
    unknown = rows(connection, keys - held.rows.keys()).order_by("type", "external_id")
    held.rows.update({row.key: row for row in unknown.select_for_update(no_key=True)})
    lacking = set()
    missing: list[RemoteObject] = []
    for key in sorted(keys):
        row = held.rows.get(key)
        if row is None:
            kind, _, external_id = key.partition(":")
            row = held.rows[key] = _blank(connection, kind, external_id)
        if row.body is not None:
            continue
        lacking.add(key)
        if row._state.adding:
            row.wanted_at = Now()
            missing.append(row)
        elif row.wanted_at is None:
            RemoteObject.objects.filter(pk=row.pk).update(wanted_at=Now(), wanted_attempts=0, wanted_error="")
    RemoteObject.objects.bulk_create(missing)
    return lacking


def wish(connection: Connection, keys: set[str]) -> None:
    """Wish for objects nobody waits for: what follows from them is made anew when they come."""
    known = {row.key for row in rows(connection, keys)}
    RemoteObject.objects.bulk_create(
        [
            RemoteObject(connection=connection, type=kind, external_id=external_id, wanted_at=Now())
            for kind, _, external_id in (key.partition(":") for key in sorted(keys - known))
        ],
        ignore_conflicts=True,
    )


def lock(connection: Connection, keys: set[str]) -> None:
    """Hold these rows, in order of key, until the transaction ends. Those that do not exist are made, empty."""
    known = {row.key for row in rows(connection, keys).only("type", "external_id")}
    RemoteObject.objects.bulk_create(
        [
            RemoteObject(connection=connection, type=kind, external_id=external_id)
            for kind, _, external_id in (key.partition(":") for key in sorted(keys - known))
        ],
        ignore_conflicts=True,
    )
    held = rows(connection, keys).order_by("type", "external_id").select_for_update(no_key=True)
    list(held.values_list("pk"))


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
    row.wanted_at, row.wanted_attempts = Now(), 0
    return Verdict.WANTED


def _save(changed: dict[str, RemoteObject]) -> None:
    rows = [changed[key] for key in sorted(changed)]
    known = [row for row in rows if row.pk is not None]
    RemoteObject.objects.bulk_create([row for row in rows if row.pk is None])
    if known:
        RemoteObject.objects.bulk_update(known, _STATE)


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
