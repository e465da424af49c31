"""Objects we wish for, read from the source one by one: those behind ids, and those whose newest state is unclear."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from common.origin import Origin
from connections import (
    api,
    derivation_pages,
    failed_derivations,
    inbox,
    rate_limit,
    remote_objects,
    single_reads,
    stored_events,
    unanswered,
    unread,
)
from connections.derived import Told
from connections.models import Connection, RemoteObject
from connections.refusals import passes
from connections.sources.base import ObjectState, SourceError
from connections.sources.stripe.client import NO_ANSWER

logger = logging.getLogger(__name__)
BATCH = 20
DRAIN_SECONDS = 20
_LEASE = timedelta(seconds=60)
_BACKOFF = (5, 30, 120, 600, 3600)
_CROSSWISE_TRIES = 5
# Tries that only set the pace: no reason to set an object aside that then fails otherwise.
_PACING = len(_BACKOFF) - 1
# Tries in a row of what we cannot work on, or what Stripe alone leaves unanswered: about four hours.
ENOUGH = 8
# The same where no two in a row end alike.
ENOUGH_IN_ALL = 2 * ENOUGH
_SET_ASIDE_AT_ONCE = 300
_ABOUT_THE_ANSWER = ("unreadable", "endless")


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Fetch wanted objects until none is due or the time is up. Returns how many were asked for."""
    ends = time.monotonic() + seconds
    fetched = 0
    for connection in Connection.objects.usable():
        while time.monotonic() < ends and not rate_limit.throttled(connection) and (rows := _claim(connection)):
            count = _fetch_each(connection, rows)
            fetched += count
            if count < len(rows):
                break
    return fetched


def due() -> QuerySet[RemoteObject]:
    """Objects that could be fetched now."""
    return RemoteObject.objects.filter(wanted_at__lte=Now(), connection__state=Connection.State.ACTIVE)


def _fetch_each(connection: Connection, rows: list[RemoteObject]) -> int:
    """Ask for one after the other until the whole connection has to wait. Returns how many were asked for: who comes
    after them has no part in the refusal, and waits no longer than the connection does.
    """
    lacking: set[str] = set()
    for place, row in enumerate(rows):
        if row.type in lacking:
            continue
        try:
            if _fetch(connection, row, lacking):
                continue
            _put_back(rows[place + 1 :])
        except api.Rekeyed:
            # The next look asks with the new key, also for what came too late to be stored.
            _put_back(rows)
        return place
    return len(rows)


def _claim(connection: Connection) -> list[RemoteObject]:
    """Take wishes for a minute; one whose worker dies is due again by itself."""
    with transaction.atomic():
        rows = list(
            RemoteObject.objects.filter(connection=connection, wanted_at__lte=Now())
            .order_by("wanted_at", "pk")
            .select_for_update(skip_locked=True, of=("self",))[:BATCH]
        )
        RemoteObject.objects.filter(pk__in=[row.pk for row in rows]).update(wanted_at=Now() + _LEASE)
    return rows


def _put_back(rows: list[RemoteObject]) -> None:
    RemoteObject.objects.filter(pk__in=[row.pk for row in rows], wanted_at__isnull=False).update(wanted_at=Now())


def _fetch(connection: Connection, row: RemoteObject, lacking: set[str]) -> bool:
    """Ask for one object. False if the whole connection has to wait. Adds to `lacking` kinds the key may not read."""
    try:
        return _ask(connection, row, lacking)
    except api.Rekeyed:
        raise
    except Exception as error:
        # What passes is due again after its lease.
        if not passes(error):
            _failed(connection, row, error)
    return True


def _ask(connection: Connection, row: RemoteObject, lacking: set[str]) -> bool:
    try:
        states = single_reads.read(api.client_of(connection), row)
    except api.Rekeyed:
        raise
    except SourceError as error:
        if error.permission:
            lacking.add(row.type)
        return _refused(connection, row, error)
    _store(connection, row, states)
    return True


def _refused(connection: Connection, row: RemoteObject, error: SourceError) -> bool:
    """Stripe's refusal may be about this object or the whole connection. False if that has to wait."""
    api.note(connection, error)
    if error.code == "resource_missing":
        _is_gone(connection, row, error.answered_at)
    elif error.permanent and error.code not in single_reads.ABOUT_THE_KEY:
        if error.permission:
            unread.note_lacking(connection, error.permission)
        unread.set_aside(connection, row, error.message)
        if error.permission:
            _set_kind_aside(connection, row.type, error.message)
    elif error.code in _ABOUT_THE_ANSWER and _are_enough(row, error.message, row.wanted_attempts + 1):
        unread.set_aside(connection, row, error.message)
    elif error.code in _ABOUT_THE_ANSWER:
        _again(row, error.message, row.wanted_attempts + 1, error.retry_after)
    elif error.code == "unavailable":
        return _unanswered(connection, row, error)
    else:
        _wait(row, error)
        return False
    return True


def _set_kind_aside(connection: Connection, kind: str, why: str) -> None:
    """Without asking for each of thousands what the key may not read any of: some hundreds an answer."""
    wanted = RemoteObject.objects.filter(connection=connection, type=kind, wanted_at__isnull=False)
    for other in wanted.order_by("wanted_at", "pk")[:_SET_ASIDE_AT_ONCE]:
        unread.set_aside(connection, other, why)


def _unanswered(connection: Connection, row: RemoteObject, error: SourceError) -> bool:
    """While Stripe is away for everything, tries only set the pace. True if the object was given up."""
    tries = row.wanted_attempts + 1
    if tries > _PACING and not unanswered.answers_others(connection):
        tries = _PACING
    if _are_enough(row, error.message, tries):
        unread.set_aside(connection, row, unanswered.final(row.key).message)
        return True
    _again(row, error.message, tries, error.retry_after)
    return False


def _are_enough(row: RemoteObject, why: str, tries: int) -> bool:
    """Whether so many, with this one, are all the object gets. Where the one before ended otherwise, as what fails
    may do after what was left unanswered, it gets more; but an end it has, however its tries take turns.
    """
    alike = (row.wanted_error == NO_ANSWER) == (why == NO_ANSWER)
    return tries >= (ENOUGH if alike else ENOUGH_IN_ALL)


def _failed(connection: Connection, row: RemoteObject, error: Exception) -> None:
    """What came for this object could not be worked on: it fails alone, and is set aside when that does not end."""
    logger.exception("An object could not be read or stored", extra={"object": row.key}, exc_info=error)
    words = failed_derivations.words(error)
    tries = row.wanted_attempts + 1
    if not _are_enough(row, words, tries):
        _again(row, words, tries)
    else:
        unread.set_aside(connection, row, f"Millrace could not work on {row.key}, however often it tried.")


def _store(connection: Connection, asked: RemoteObject, states: tuple[ObjectState, ...]) -> None:
    """Hold what came and release who waited for it.

    The request went out after we held `asked` and after the events that wait for it, so unless something newer came
    meanwhile the answer is the newer state, whatever the seconds say.
    """
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                # As it is now: its status map may have changed since this walk began.
                connection = inbox.fenced(connection.pk, connection.epoch)
                now = RemoteObject.objects.select_for_update(no_key=True).get(pk=asked.pk)
                own, *others = states
                told = unread.told_of(connection, own.key)
                if asked.as_of and (now.event_id, now.as_of) == (asked.event_id, asked.as_of):
                    own = own._replace(as_of=max(own.as_of, asked.as_of, *told))
                    # Undecided no longer: an equal second must not ask again. What is gone keeps its last words.
                    now.body, now.wanted_at = now.body if own.deleted else None, None
                    now.save(update_fields=["body", "wanted_at"])
                remote_objects.hold(connection, [own, *others], set())
                # What nobody waited for, such as the product of an imported subscription, is no news to act upon.
                key = f"{connection.pk}:read:{own.key}:{own.as_of.timestamp():.0f}"
                fact = Told(own.as_of, Origin.POLL, key, silent=not told)
                facts = {state.key: fact for state in states}
                derivation_pages.derive_beside(connection, facts, is_last=attempt == _CROSSWISE_TRIES)
                stored_events.release(connection, {state.key for state in states})
            return
        except (IntegrityError, OperationalError):
            # Another worker made the same row or locked crosswise.
            if attempt == _CROSSWISE_TRIES:
                raise
        except inbox.Moved:
            return


def _is_gone(connection: Connection, row: RemoteObject, at: datetime) -> None:
    """Stripe does not have the object: a tombstone stands in for it, and who waited goes on without. `at`: by Stripe's
    clock, as a tombstone of ours, should it be ahead, would outweigh what Stripe tells next.
    """
    tombstone = ObjectState(
        type=row.type,
        external_id=row.external_id,
        as_of=max(at, row.as_of or datetime.fromtimestamp(0, UTC)),
        body=row.body or {"id": row.external_id, "object": row.type, "deleted": True},
        deleted=True,
        fetched=True,
    )
    try:
        with transaction.atomic():
            connection = inbox.fenced(connection.pk, connection.epoch)
            silent = not unread.told_of(connection, row.key)
            remote_objects.hold(connection, [tombstone], set())
            RemoteObject.objects.filter(pk=row.pk).update(wanted_at=None, wanted_error="")
            fact = Told(tombstone.as_of, Origin.POLL, f"{connection.pk}:gone:{row.key}", silent)
            derivation_pages.derive_beside(connection, {row.key: fact}, is_last=True)
            stored_events.release(connection, {row.key})
    except inbox.Moved:
        return


def _again(row: RemoteObject, why: str, tries: int, seconds: float | None = None) -> None:
    """Ask again by schedule, or later if Stripe wishes so: after `seconds`."""
    _later(row, max(seconds or 0, _scheduled(row)), wanted_attempts=tries, wanted_error=why[:500])


def _wait(row: RemoteObject, error: SourceError) -> None:
    """Refused before the object was asked for, as by the rate limit: no try, and no other end of the one before."""
    why = row.wanted_error if row.wanted_attempts else error.message
    _later(row, error.retry_after or _scheduled(row), wanted_error=why[:500])


def _scheduled(row: RemoteObject) -> float:
    return _BACKOFF[min(row.wanted_attempts, len(_BACKOFF) - 1)]


def _later(row: RemoteObject, seconds: float, **values: Any) -> None:
    RemoteObject.objects.filter(pk=row.pk).update(wanted_at=Now() + timedelta(seconds=seconds), **values)
