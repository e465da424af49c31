"""The end of pages of history: their rows and their cursors are written in one transaction."""

from __future__ import annotations

import logging
import time
from collections import Counter

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Case, F, Value, When

from common import rows as bulk
from common.arrays import array
from common.due import LEASE, State
from common.origin import Origin
from connections import history_ends, ingest, log, refusals
from connections.history_pages import Page
from connections.history_windows import WALKING
from connections.inbox import Moved, fenced
from connections.incoming import Incoming, Outcome
from connections.models import Connection, SyncLogEntry, SyncRun, SyncWindow
from connections.sources.base import ObjectState

logger = logging.getLogger(__name__)
_CROSSWISE_TRIES = 5
# Result of a row -> where its run counts it. A stale one is a row whose newer state was known already.
_COUNTS = {name: name for name in ("created", "updated", "unchanged", "skipped", "failed")} | {"stale": "unchanged"}
Read = tuple[SyncWindow, SyncRun, Page]


def write(connection_id: int, pages: list[Read], along: list[ObjectState]) -> set[int]:
    """Write pages and their cursors in one transaction, so a kill repeats only these.

    Returns the windows that were written; the others' runs were paused, cancelled or disconnected, or the database
    refused all of it for now.
    """
    ours: list[Read] = []
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                connection = fenced(connection_id)
                ours = _claimed(connection, pages)
                outcomes = _ingest_each(connection, _incoming(ours), along, last=attempt == _CROSSWISE_TRIES)
                _advance(ours, outcomes)
            break
        except Moved:
            ours = []
            break
        except (IntegrityError, OperationalError) as error:
            ours = []
            if attempt < _CROSSWISE_TRIES:
                # Another worker made the same contact or locked crosswise: the next look finds its rows.
                time.sleep(0.02 * attempt)
            elif refusals.passes(error):
                logger.warning("The database refused pages of history, which are read again: %r", error)
            else:
                raise
    for window, _, _ in ours:
        window.attempts = window.unanswered = 0
    _conclude(pages, ours)
    return {window.pk for window, _, _ in ours}


def _claimed(connection: Connection, pages: list[Read]) -> list[Read]:
    """Those whose run still walks and whose window is still ours, held for this transaction.

    Not those that were read by another mapping than they would be written by: what it follows did not come along.
    Until the transaction ends no other one is put in place, as that holds the account alone.
    """
    wanted = SyncWindow.objects.filter(pk__in=[window.pk for window, _, _ in pages], state=State.RUNNING)
    held = wanted.filter(run__state__in=WALKING, run__epoch=connection.epoch).order_by("pk")
    told = held.select_for_update(of=("self",)).values_list("pk", "claim_no", "run__resource__mapping")
    claims = {pk: (claim_no, mapping) for pk, claim_no, mapping in told}
    return [
        (window, run, page)
        for window, run, page in pages
        if claims.get(window.pk) == (window.claim_no, run.resource.mapping_id)
    ]


def _incoming(pages: list[Read]) -> list[Incoming]:
    return [Incoming(row, Origin.HISTORY, run=run) for _, run, page in pages for row in page.rows]


def _ingest_each(
    connection: Connection, rows: list[Incoming], along: list[ObjectState], *, last: bool
) -> list[Outcome]:
    """Apply the rows; one that cannot be applied fails alone, with its reason in the log.

    What the database refuses and may take the next time is raised, unless this is the `last` try; see refusals.py.
    """
    if not rows:
        return []
    try:
        with transaction.atomic():
            return ingest.ingest(connection, rows, along=along, importing=True)
    except Exception as error:
        if refusals.passes(error) or (isinstance(error, IntegrityError) and not last):
            raise
        if len(rows) > 1:
            middle = len(rows) // 2
            halves = rows[:middle], rows[middle:]
            return [outcome for half in halves for outcome in _ingest_each(connection, half, along, last=last)]
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
    by_run: dict[int, Counter[str]] = {}
    for _, run, page in pages:
        mine, left = left[: len(page.rows)], left[len(page.rows) :]
        counts = by_run.setdefault(run.pk, Counter())
        counts.update(_COUNTS[outcome.result] for outcome in mine if outcome.result in _COUNTS)
        counts.update(listed=page.listed, seen=len(mine))
    if pages:
        _move(pages)
    # In order of key, so that two walks do not lock crosswise.
    for run_id, counts in sorted(by_run.items()):
        _count(run_id, counts)


def _count(run_id: int, counts: Counter[str]) -> None:
    SyncRun.objects.filter(pk=run_id).update(
        # A pause or cancel that came while the page was written stands.
        state=Case(When(state__in=WALKING, then=Value(SyncRun.State.RUNNING)), default=F("state")),
        message=Case(When(state__in=WALKING, then=Value("")), default=F("message")),
        **{name: F(name) + count for name, count in counts.items()},
    )


def _move(pages: list[Read]) -> None:
    """Set the cursors behind these pages, of which each is another window's."""
    ids, after, created, more = zip(
        *((window.pk, page.next.after_id, page.next.after_created, page.more) for window, _, page in pages), strict=True
    )
    told = [array("int8", ids), array("text", after), array("timestamptz", created), array("bool", more)]
    bulk.execute(_MOVE, [LEASE, *told])


_MOVE = """
    update connections_syncwindow as t set
        after_id = page.after_id, after_created = page.after_created, pages = t.pages + 1,
        state = case when page.more then 'running' else 'done' end, claims = page.more::int,
        lease_until = case when page.more then statement_timestamp() + %b end,
        attempts = 0, unanswered = 0, last_error = '', last_error_code = ''
    from unnest(%b::int8[], %b::text[], %b::timestamptz[], %b::bool[]) as page(id, after_id, after_created, more)
    where t.id = page.id
"""


def _conclude(pages: list[Read], ours: list[Read]) -> None:
    written = {window.pk for window, _, _ in ours}
    for run in {run.pk: run for window, run, _ in pages if window.pk not in written}.values():
        history_ends.close_if_moved(run)
    for run in {run.pk: run for _, run, _ in ours if run.resource.error}.values():
        history_ends.note_granted(run)
    for window in {run.pk: window for window, run, page in ours if not page.more}.values():
        history_ends.end_run_of(window)
