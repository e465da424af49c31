"""The end of pages of history: their rows and their cursors are written in one transaction."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Case, Exists, F, OuterRef, Value, When
from django.db.models.functions import Now

from common.due import LEASE, State
from common.origin import Origin
from connections import api, ingest, log
from connections.history_pages import Page
from connections.history_windows import WALKING
from connections.inbox import Moved, fenced
from connections.incoming import Incoming, Outcome
from connections.models import Connection, Resource, SyncLogEntry, SyncRun, SyncWindow
from connections.sources.base import ObjectState, SourceError

logger = logging.getLogger(__name__)
# Refusals that are no fault of one window: the whole account waits.
WAITS_FOR_THE_ACCOUNT = ("rate_limit", "key_refused", "key_expired", "key_unreadable", "disconnected")
_CROSSWISE_TRIES = 5
_COUNTS = ("created", "updated", "unchanged", "skipped", "failed")
Read = tuple[SyncWindow, SyncRun, Page]


def write(connection_id: int, pages: list[Read], along: list[ObjectState]) -> set[int]:
    """Write pages and their cursors in one transaction, so a kill repeats only these.

    Returns the windows that were ours to write; the others' runs were paused, cancelled or disconnected.
    """
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                walking = _walking(pages)
                connection = fenced(connection_id)
                ours = _claimed([page for page in pages if walking.get(page[1].pk) == connection.epoch])
                outcomes = _ingest_each(connection, _incoming(ours), along)
                _advance(ours, outcomes)
            break
        except Moved:
            ours = []
            break
        except (IntegrityError, OperationalError):
            if attempt == _CROSSWISE_TRIES:
                raise
            time.sleep(0.02 * attempt)
    _conclude(pages, ours)
    return {window.pk for window, _, _ in ours}


def _walking(pages: list[Read]) -> dict[int, int]:
    """Epochs of the runs that still walk."""
    runs = SyncRun.objects.filter(pk__in={run.pk for _, run, _ in pages}, state__in=WALKING)
    return dict(runs.values_list("pk", "epoch"))


def _claimed(pages: list[Read]) -> list[Read]:
    """Those whose window is still ours, held for this transaction."""
    held = SyncWindow.objects.filter(pk__in=[window.pk for window, _, _ in pages], state=State.RUNNING)
    claims = dict(held.order_by("pk").select_for_update().values_list("pk", "claim_no"))
    return [page for page in pages if claims.get(page[0].pk) == page[0].claim_no]


def _incoming(pages: list[Read]) -> list[Incoming]:
    return [Incoming(row, Origin.HISTORY, run=run) for _, run, page in pages for row in page.rows]


def _ingest_each(connection: Connection, rows: list[Incoming], along: list[ObjectState]) -> list[Outcome]:
    """Apply the rows; one that cannot be applied fails alone, with its reason in the log."""
    if not rows:
        return []
    try:
        with transaction.atomic():
            return ingest.ingest(connection, rows, along=along, importing=True)
    except (IntegrityError, OperationalError):
        raise
    except Exception as error:
        if len(rows) > 1:
            middle = len(rows) // 2
            return _ingest_each(connection, rows[:middle], along) + _ingest_each(connection, rows[middle:], along)
        logger.exception("A record of history could not be applied")
        return [_log_failure(connection, rows[0], error)]


def _log_failure(connection: Connection, row: Incoming, error: Exception) -> Outcome:
    record = row.translation.record
    assert record and row.run  # noqa: S101  rows of history have both
    log.write(
        [
            SyncLogEntry(
                pk=log.reserve_ids(1)[0],
                connection=connection,
                resource_kind=row.run.resource.kind,
                run=row.run,
                via=Origin.HISTORY,
                object_id=record.object_id,
                result=SyncLogEntry.Result.FAILED,
                reason=f"Millrace could not apply this record ({type(error).__name__}).",
                occurred_at=record.occurred_at,
            )
        ]
    )
    return Outcome(result=SyncLogEntry.Result.FAILED)


def _advance(pages: list[Read], outcomes: list[Outcome]) -> None:
    left = list(outcomes)
    by_run: dict[int, list[Outcome]] = {}
    for window, run, page in pages:
        mine, left = left[: len(page.rows)], left[len(page.rows) :]
        by_run.setdefault(run.pk, []).extend(mine)
        _move(window, page)
    # In order of key, so that two walks do not lock crosswise.
    for run_id, mine in sorted(by_run.items()):
        _count(run_id, mine)


def _count(run_id: int, outcomes: list[Outcome]) -> None:
    counts = {name: sum(outcome.result == name for outcome in outcomes) for name in _COUNTS}
    # What is neither is a row whose newer state was known already.
    counts["unchanged"] += len(outcomes) - sum(counts.values())
    SyncRun.objects.filter(pk=run_id).update(
        # A pause or cancel that came while the page was written stands.
        state=Case(When(state__in=WALKING, then=Value(SyncRun.State.RUNNING)), default=F("state")),
        message=Case(When(state__in=WALKING, then=Value("")), default=F("message")),
        listed=F("listed") + len(outcomes),
        seen=F("seen") + len(outcomes),
        **{name: F(name) + count for name, count in counts.items()},
    )


def _move(window: SyncWindow, page: Page) -> None:
    state = State.RUNNING if page.more else State.DONE
    SyncWindow.objects.filter(pk=window.pk).update(
        after_id=page.next.after_id,
        after_created=page.next.after_created,
        pages=F("pages") + 1,
        state=state,
        attempts=0,
        claims=1 if state == State.RUNNING else 0,
        lease_until=Now() + LEASE if state == State.RUNNING else None,
        last_error="",
        last_error_code="",
    )


def _conclude(pages: list[Read], ours: list[Read]) -> None:
    written = {window.pk for window, _, _ in ours}
    for run in {run.pk: run for window, run, _ in pages if window.pk not in written}.values():
        _close_if_moved(run)
    for window in {run.pk: window for window, run, page in ours if not page.more}.values():
        end_run_of(window)


def _close_if_moved(run: SyncRun) -> None:
    """End the run of an account that was disconnected meanwhile."""
    with transaction.atomic():
        # Held, because a new key gives the account and its open runs another epoch, which our copy of the run lacks.
        held = Connection.objects.select_for_update(no_key=True).filter(pk=run.resource.connection_id).first()
        moved = SyncRun.objects.filter(pk=run.pk, state__in=SyncRun.OPEN)
        if held and held.is_connected:
            moved = moved.exclude(epoch=held.epoch)
        moved.update(state=SyncRun.State.CANCELLED, finished_at=Now(), message="The account was disconnected.")


def note_running(run: SyncRun) -> None:
    SyncRun.objects.filter(pk=run.pk, state__in=(SyncRun.State.QUEUED, SyncRun.State.WAITING)).update(
        state=SyncRun.State.RUNNING, message=""
    )


def note_waiting(run: SyncRun, error: SourceError) -> None:
    SyncRun.objects.filter(pk=run.pk, state__in=WALKING).update(state=SyncRun.State.WAITING, message=error.message)


def interrupted(window: SyncWindow, run: SyncRun, error: SourceError) -> bool:
    """Put the window back, or set it aside where trying again cannot help. Whether its run waits for Stripe."""
    api.note(run.resource.connection, error)
    if error.code in WAITS_FOR_THE_ACCOUNT:
        window.later(timedelta(seconds=error.retry_after or 2), code=error.code, error=error.message)
        return True
    if window.failed(code=error.code, error=error.message, permanent=error.permanent) != State.DEAD:
        return True
    if error.code == "permission":
        Resource.objects.filter(pk=run.resource_id).update(error=error.message)
    end_run_of(window)
    return False


def end_forgotten_runs() -> None:
    """Conclude imports whose last window ended with a worker that died, or waited in vain, before it could do that.

    Those that an older Millrace left without windows, too: they would stop every later one.
    """
    left = SyncWindow.objects.filter(run=OuterRef("pk")).exclude(state__in=[State.DONE, State.DEAD])
    for run in SyncRun.objects.imports().filter(~Exists(left), state__in=WALKING):
        _end_run(run.pk)


def end_run_of(window: SyncWindow) -> None:
    """Conclude the run once no window is left to walk: never “done” with a failure unsaid."""
    # Whoever ends a window looks after its end has been committed, so the last of them sees none left.
    if not SyncWindow.objects.filter(run=window.run_id).exclude(state__in=[State.DONE, State.DEAD]).exists():
        _end_run(window.run_id)


def _end_run(run_id: int) -> None:
    with transaction.atomic():
        run = SyncRun.objects.select_for_update(no_key=True).get(pk=run_id)
        if not run.is_open:
            return
        dead = list(run.windows.filter(state=State.DEAD))
        if len(dead) == run.windows.count():
            run.state = SyncRun.State.FAILED
            run.message = dead[0].last_error if dead else "It stopped before it could begin. Import again."
        elif dead or run.failed:
            run.state = SyncRun.State.PARTLY_FAILED
            run.message = (
                dead[0].last_error if dead else f"{run.failed} records could not be applied; see the sync log."
            )
        else:
            run.state = SyncRun.State.DONE
        run.finished_at = Now()
        run.save(update_fields=["state", "message", "finished_at"])
