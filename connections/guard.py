"""The guard: which of two states of a remote object is the newer, in whatever order they arrive. Saves nothing."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

from common.due import database_now
from connections.models import RemoteObject
from connections.sources.base import ObjectState
from connections.sources.stripe import order, shapes

_JUST_NOW = timedelta(minutes=10)
# Objects for which the time of their newest event counts.
_DATED = ("subscription",)


class Verdict(Enum):
    """`WANTED`: the payloads do not tell which state is newer, so the object is fetched.

    `ENRICHED`: ours is kept, but for parts it lacked, or that it has ended. `LATE`: ours is kept, but it is the newest
    that an event told. `HELD`: it came along with something else and says nothing new.

    `TIED`, `REVERSED`: taken only because it came last, as the object may not be read. `TIED` has the same second as
    the state before it, `REVERSED` undoes what Stripe never undoes.
    """

    TAKEN = "taken"
    ENRICHED = "enriched"
    LATE = "late"
    STALE = "stale"
    WANTED = "wanted"
    HELD = "held"
    TIED = "tied"
    REVERSED = "reversed"


_TAKES = (Verdict.TAKEN, Verdict.TIED, Verdict.REVERSED)


def already_held(row: RemoteObject | None, state: ObjectState) -> bool:
    """A state that came along inside another object and says nothing new."""
    return (
        row is not None
        and state.fetched
        and row.wanted_at is None
        and not (state.deleted or row.deleted_at)
        and (row.type != "customer" or _is_recent(row, state))
        and row.has(state.body)
    )


def _is_recent(row: RemoteObject, state: ObjectState) -> bool:
    """Was it read so just now? A contact shows what was last true of its customers, but every page of a list brings
    them. A state that an event told is dated by the reading: else an event from between could replace it.
    """
    if row.event_id or row.wanted_error or row.deleted_at or row.as_of is None:
        return False
    return timedelta(0) <= state.as_of - row.as_of < _JUST_NOW


def consider(row: RemoteObject, state: ObjectState, refs: list[str]) -> Verdict:
    """Let the row take the state, or not (docs/architecture.md, the guard's table). Changes the row, saves nothing.

    `refs`: keys of the objects that the state's body names.
    """
    verdict = _enrich(row, state, _judge(row, state))
    if verdict in _TAKES:
        row.refs = refs
    return _date(row, state, verdict)


def _judge(row: RemoteObject, state: ObjectState) -> Verdict:
    if row.body is None or row.as_of is None:
        return _take(row, state)
    if row.deleted_at and state.as_of <= row.deleted_at:
        return _judge_last_words(row, state)
    if row.event_id and row.event_id == state.event_id:
        return _take(row, state)
    if state.as_of < row.as_of:
        return Verdict.STALE
    if state.deleted and state.fetched and (shapes.is_stub(state.body) or state.body == row.body):
        return _bury(row, state)
    if state.as_of > row.as_of:
        if state.fetched or not _suspicious(row, state):
            return _take(row, state)
        return _undecided(row, state, Verdict.REVERSED)
    newer = order.later(row.type, row.body, row.event_type, row.previous, state.body, state.event_type, state.previous)
    if state.deleted:
        newer = True
    if newer is None:
        read_since = state.waited and not row.event_id
        return Verdict.STALE if read_since else _undecided(row, state, Verdict.TIED)
    return _take(row, state) if newer else Verdict.STALE


def _judge_last_words(row: RemoteObject, state: ObjectState) -> Verdict:
    """A state from before the end. What is gone keeps the last that was told of it, whatever comes first: a stub tells
    nothing. Nobody could be asked any more, so where payloads do not tell, any rule will do that is always the same.
    """
    assert row.body is not None and row.as_of is not None and row.deleted_at  # noqa: S101  seen by who asks
    if shapes.is_stub(state.body):
        return _bury(row, state) if row.wanted_at else Verdict.STALE
    if not (row.event_id and row.event_id == state.event_id) and not shapes.is_stub(row.body):
        if state.as_of < row.as_of:
            return Verdict.STALE
        if state.as_of == row.as_of:
            told = order.later(
                row.type, row.body, row.event_type, row.previous, state.body, state.event_type, state.previous
            )
            if not (state.event_id > row.event_id if told is None else told):
                return Verdict.STALE
    # The end stays, and so does a wish to look again, for which others wait.
    kept = row.deleted_at, row.wanted_at, row.wanted_attempts, row.wanted_error
    _take(row, state)
    row.deleted_at, row.wanted_at, row.wanted_attempts, row.wanted_error = kept
    return Verdict.TAKEN


def _bury(row: RemoteObject, state: ObjectState) -> Verdict:
    """Read as gone, of which a stub is all there is to see: what we hold are its last words, as old as they were."""
    was_gone = bool(row.deleted_at)
    row.deleted_at = max(state.as_of, row.deleted_at or state.as_of)
    row.wanted_at, row.wanted_attempts, row.wanted_error = None, 0, ""
    return Verdict.HELD if was_gone else Verdict.ENRICHED


def _enrich(row: RemoteObject, state: ObjectState, verdict: Verdict) -> Verdict:
    """Even an older state may bring parts that ours lacks."""
    if verdict is not Verdict.STALE or row.body is None:
        return verdict
    body = order.completed(row.type, row.body, state.body)
    if body is row.body:
        return verdict
    row.body = body
    return Verdict.ENRICHED


def _date(row: RemoteObject, state: ObjectState, verdict: Verdict) -> Verdict:
    """Note the newest event about the object, whatever became of the state it told: what was read has no such time."""
    if not state.event_id or row.type not in _DATED or (row.event_at and state.as_of <= row.event_at):
        return verdict
    row.event_at = state.as_of
    return Verdict.LATE if verdict is Verdict.STALE else verdict


def _suspicious(row: RemoteObject, state: ObjectState) -> bool:
    """A newer event that undoes what Stripe never undoes."""
    if row.deleted_at:
        return not state.deleted
    return order.goes_back(row.type, row.body or {}, state.body)


def _take(row: RemoteObject, state: ObjectState) -> Verdict:
    row.body = order.completed(row.type, state.body, row.body)
    row.as_of, row.previous = state.as_of, state.previous
    row.event_id, row.event_type, row.api_version = state.event_id, state.event_type, state.api_version
    row.deleted_at = state.as_of if state.deleted else None
    row.wanted_at, row.wanted_attempts, row.wanted_error = None, 0, ""
    return Verdict.TAKEN


def _undecided(row: RemoteObject, state: ObjectState, unread: Verdict) -> Verdict:
    """Have it read; where that was refused since the event began to wait, what came last counts: `unread`."""
    why = row.wanted_error
    if state.waited and why and row.wanted_at is None:
        _take(row, state)
        row.wanted_error = why
        return unread
    row.wanted_at, row.wanted_attempts, row.wanted_error = database_now(), 0, ""
    return Verdict.WANTED
