"""A resource's history, in windows of the account's life that are walked independently and resume where they stood."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from common.due import LEASE, DueQuerySet, State
from common.origin import Origin
from connections import api, ingest, log, remote_objects
from connections.history_pages import read_page
from connections.inbox import Moved, fenced
from connections.ingest import Incoming, Outcome
from connections.models import Connection, Resource, SyncLogEntry, SyncRun, SyncWindow
from connections.sources.base import SourceError, Translation
from connections.sources.stripe.client import Answer

logger = logging.getLogger(__name__)
WINDOWS = 32
WALKED_AT_ONCE = 8
DRAIN_SECONDS = 20
# Stripe opened to the public then; accounts that hide their age are searched from there.
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)
_WALKING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.WAITING)
# Refusals that are no fault of one window: the whole account waits.
WAITS_FOR_THE_ACCOUNT = ("rate_limit", "key_refused", "key_expired", "key_unreadable", "disconnected")
_CROSSWISE_TRIES = 5
_COUNTS = ("created", "updated", "unchanged", "skipped", "failed")


class Stopped(Exception):
    """The run was paused, cancelled or its account disconnected; the page was not written."""


def start(resource: Resource, *, until: datetime, user: Any = None, starts_automations: bool = False) -> SyncRun:
    """Begin an import up to a frozen moment; returns the open one if there is one already."""
    running = resource.runs.imports().open().first()
    if running:
        return running
    begin = resource.connection.account_created_at or BEGINNING
    # Objects may be backdated a little, and clocks differ: a day more costs nothing.
    begin, end = begin - timedelta(days=1), until + timedelta(seconds=2)
    run = SyncRun.objects.create(
        resource=resource,
        epoch=resource.connection.epoch,
        range_from=begin,
        range_to=end,
        started_by=user,
        starts_automations=starts_automations,
    )
    edges = [begin + (end - begin) * i / WINDOWS for i in range(WINDOWS + 1)]
    edges = [edge.replace(microsecond=0) for edge in edges[:-1]] + [end]
    # Newest first: rows are claimed in the order of their ids.
    SyncWindow.objects.bulk_create(
        [SyncWindow(run=run, starts_at=a, ends_at=b) for a, b in reversed(list(pairwise(edges))) if a < b]
    )
    return run


def pause(run: SyncRun) -> bool:
    return bool(SyncRun.objects.filter(pk=run.pk, state__in=_WALKING).update(state=SyncRun.State.PAUSED))


def resume(run: SyncRun) -> bool:
    return bool(SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.PAUSED).update(state=SyncRun.State.QUEUED))


def cancel(run: SyncRun, message: str = "") -> bool:
    """End an import; what it brought stays."""
    return bool(
        SyncRun.objects.filter(pk=run.pk, state__in=SyncRun.OPEN).update(
            state=SyncRun.State.CANCELLED, finished_at=Now(), message=message
        )
    )


def stop(resource: Resource, message: str) -> None:
    """Cancel the resource's open import and check, if any."""
    for run in resource.runs.filter(state__in=SyncRun.OPEN):
        cancel(run, message)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Walk due windows until there are none or the time is up. Returns how many pages were written."""
    ends = time.monotonic() + seconds
    pages = 0
    while time.monotonic() < ends:
        for pk in _windows().release_expired():
            _end_run_of(SyncWindow.objects.select_related("run").get(pk=pk))
        if _windows().claimed().count() >= WALKED_AT_ONCE:
            break
        claimed = walkable().claim(1)
        if not claimed:
            break
        pages += _walk(claimed[0], ends)
    return pages


def walkable() -> DueQuerySet:
    """Windows somebody may walk now."""
    open_ = _windows().filter(run__state__in=_WALKING, run__resource__connection__state=Connection.State.ACTIVE)
    return open_.exclude(Q(run__resource__connection__status__throttled_until__gt=Now()))


def _windows() -> DueQuerySet:
    """Those of imports; a check walks its own."""
    return SyncWindow.objects.get_queryset().filter(run__in=SyncRun.objects.imports())


def _walk(window: SyncWindow, ends: float) -> int:
    """Pages of a window until it is done, interrupted, or the time is up."""
    run = SyncRun.objects.select_related("resource__connection", "resource__mapping").get(pk=window.run_id)
    SyncRun.objects.filter(pk=run.pk, state__in=(SyncRun.State.QUEUED, SyncRun.State.WAITING)).update(
        state=SyncRun.State.RUNNING, message=""
    )
    pages = 0
    try:
        client = api.client_of(run.resource.connection)
        while window.state == State.RUNNING:
            _write_page(window, run, read_page(client, window, run))
            pages += 1
            if time.monotonic() > ends and window.state == State.RUNNING:
                window.later(timedelta(0))
                break
    except SourceError as error:
        _interrupted(window, run, error)
    except Stopped:
        window.later(timedelta(0))
    except Moved:
        window.later(timedelta(0))
        cancel(run, "The account was disconnected.")
    return pages


def _write_page(window: SyncWindow, run: SyncRun, page: tuple[Answer, list[Translation]]) -> None:
    """Write a page and its cursor in one transaction, so a kill repeats at most this page."""
    answer, found = page
    rows = [t for t in found if t.record]
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            # Windows walked at once hold the same products: the next try finds the other's.
            _hold_extras(run, [t for t in found if t.record is None])
            with transaction.atomic():
                connection = _claimed(window, run)
                outcomes = _ingest_each(connection, run, rows)
                _advance(window, run, answer, rows, outcomes)
            break
        except (IntegrityError, OperationalError):
            if attempt == _CROSSWISE_TRIES:
                raise
            time.sleep(0.02 * attempt)
    if window.state == State.DONE:
        _end_run_of(window)


def _hold_extras(run: SyncRun, extras: list[Translation]) -> None:
    if not extras:
        return
    with transaction.atomic():
        connection = fenced(run.resource.connection_id, run.epoch)
        remote_objects.hold(connection, [state for t in extras for state in t.states], set())


def _claimed(window: SyncWindow, run: SyncRun) -> Connection:
    """Hold connection, run and window for this page. Stopped or Moved if one of them is no longer ours."""
    state = SyncRun.objects.filter(pk=run.pk).values_list("state", "epoch").get()
    connection = fenced(run.resource.connection_id, state[1])
    if state[0] not in _WALKING:
        raise Stopped
    mine = SyncWindow.objects.select_for_update().filter(pk=window.pk, claim_no=window.claim_no, state=State.RUNNING)
    if not mine.exists():
        raise Stopped
    return connection


def _ingest_each(connection: Connection, run: SyncRun, rows: list[Translation]) -> list[Outcome]:
    """Apply the rows; one that cannot be applied fails alone, with its reason in the log."""
    if not rows:
        return []
    try:
        with transaction.atomic():
            return ingest.ingest(connection, [Incoming(row, Origin.HISTORY, run=run) for row in rows])
    except (IntegrityError, OperationalError):
        raise
    except Exception as error:
        if len(rows) > 1:
            middle = len(rows) // 2
            return _ingest_each(connection, run, rows[:middle]) + _ingest_each(connection, run, rows[middle:])
        logger.exception("A record of history could not be applied")
        return [_log_failure(connection, run, rows[0], error)]


def _log_failure(connection: Connection, run: SyncRun, row: Translation, error: Exception) -> Outcome:
    assert row.record  # noqa: S101  rows have one
    log.write(
        [
            SyncLogEntry(
                pk=log.reserve_ids(1)[0],
                connection=connection,
                resource_kind=run.resource.kind,
                run=run,
                via=Origin.HISTORY,
                object_id=row.record.object_id,
                result=SyncLogEntry.Result.FAILED,
                reason=f"Millrace could not apply this record ({type(error).__name__}).",
                occurred_at=row.record.occurred_at,
            )
        ]
    )
    return Outcome(result=SyncLogEntry.Result.FAILED)


def _advance(
    window: SyncWindow, run: SyncRun, answer: Answer, rows: list[Translation], outcomes: list[Outcome]
) -> None:
    counts = {name: sum(outcome.result == name for outcome in outcomes) for name in _COUNTS}
    # What is neither is a row whose newer state was known already.
    counts["unchanged"] += len(outcomes) - sum(counts.values())
    SyncRun.objects.filter(pk=run.pk).update(
        # A pause or cancel that came while the page was written stands.
        state=Case(When(state__in=_WALKING, then=Value(SyncRun.State.RUNNING)), default=F("state")),
        message=Case(When(state__in=_WALKING, then=Value("")), default=F("message")),
        listed=F("listed") + len(rows),
        seen=F("seen") + len(rows),
        **{name: F(name) + count for name, count in counts.items()},
    )
    if rows:
        last = rows[-1].record
        assert last  # noqa: S101
        window.after_id, window.after_created = last.object_id, last.occurred_at
    window.pages += 1
    window.state = State.RUNNING if answer.data.get("has_more") else State.DONE
    SyncWindow.objects.filter(pk=window.pk).update(
        after_id=window.after_id,
        after_created=window.after_created,
        pages=window.pages,
        state=window.state,
        attempts=0,
        claims=1 if window.state == State.RUNNING else 0,
        lease_until=Now() + LEASE if window.state == State.RUNNING else None,
        last_error="",
        last_error_code="",
    )


def _interrupted(window: SyncWindow, run: SyncRun, error: SourceError) -> None:
    api.note(run.resource.connection, error)
    if error.code in WAITS_FOR_THE_ACCOUNT:
        window.later(timedelta(seconds=error.retry_after or 2), code=error.code, error=error.message)
    else:
        state = window.failed(code=error.code, error=error.message, permanent=error.permanent)
        if state == State.DEAD:
            if error.code == "permission":
                Resource.objects.filter(pk=run.resource_id).update(error=error.message)
            _end_run_of(window)
            return
    SyncRun.objects.filter(pk=run.pk, state__in=_WALKING).update(state=SyncRun.State.WAITING, message=error.message)


def _end_run_of(window: SyncWindow) -> None:
    """Conclude the run once no window is left to walk: never “done” with a failure unsaid."""
    with transaction.atomic():
        run = SyncRun.objects.select_for_update(no_key=True).get(pk=window.run_id)
        if run.windows.exclude(state__in=[State.DONE, State.DEAD]).exists() or not run.is_open:
            return
        dead = list(run.windows.filter(state=State.DEAD))
        if dead and len(dead) == run.windows.count():
            run.state, run.message = SyncRun.State.FAILED, dead[0].last_error
        elif dead or run.failed:
            run.state = SyncRun.State.PARTLY_FAILED
            run.message = (
                dead[0].last_error if dead else f"{run.failed} records could not be applied; see the sync log."
            )
        else:
            run.state = SyncRun.State.DONE
        run.finished_at = Now()
        run.save(update_fields=["state", "message", "finished_at"])
