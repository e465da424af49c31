"""Imports of a resource's history: begun, paused, cancelled, drained and concluded.

A run has windows of the account's life, which `history_walk` walks and which resume where they stood.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from common.due import State
from connections import fence, history_ends, history_walk
from connections.history_windows import WALKING, claim, walkable, windows
from connections.models import Resource, SyncRun, SyncWindow
from connections.sources.base import SourceError

WINDOWS = 32
DRAIN_SECONDS = 20
# Stripe opened to the public then; accounts that hide their age are searched from there.
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)


def start(resource: Resource, *, until: datetime, user: Any = None, starts_automations: bool = False) -> SyncRun:
    """Begin an import up to a frozen moment; returns the open one if there is one already.

    SourceError if the resource was disconnected meanwhile.
    """
    with transaction.atomic():
        # Two who click at once come one after the other, and so does who disconnects the account or the resource.
        connection = fence.hold_alone(resource.connection_id)
        resource = Resource.objects.select_for_update(no_key=True).get(pk=resource.pk)
        if not connection.is_connected or resource.removed_at:
            raise SourceError("This resource was disconnected.", permanent=True, code="disconnected")
        if running := resource.runs.imports().open().first():
            return running
        begin = connection.account_created_at or BEGINNING
        # Objects may be backdated a little, and clocks differ: a day more costs nothing.
        begin, end = begin - timedelta(days=1), until + timedelta(seconds=2)
        run = SyncRun.objects.create(
            resource=resource,
            epoch=connection.epoch,
            range_from=begin,
            range_to=end,
            started_by=user,
            starts_automations=starts_automations,
        )
        _cut(run)
        return run


def _cut(run: SyncRun) -> None:
    """Make the run's windows: equal parts of its range."""
    begin, end = run.range_from, run.range_to
    edges = [begin + (end - begin) * i / WINDOWS for i in range(WINDOWS + 1)]
    edges = [edge.replace(microsecond=0) for edge in edges[:-1]] + [end]
    # Newest first: rows are claimed in the order of their ids.
    SyncWindow.objects.bulk_create(
        [SyncWindow(run=run, starts_at=a, ends_at=b) for a, b in reversed(list(pairwise(edges))) if a < b]
    )


def pause(run: SyncRun) -> bool:
    return bool(SyncRun.objects.filter(pk=run.pk, state__in=WALKING).update(state=SyncRun.State.PAUSED))


def resume(run: SyncRun) -> bool:
    if not SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.PAUSED).update(state=SyncRun.State.QUEUED):
        return False
    hurry(SyncRun.objects.filter(pk=run.pk))
    return True


def hurry(runs: QuerySet[SyncRun]) -> None:
    """Have asked for at the next ring what waits for Stripe."""
    SyncWindow.objects.filter(run__in=runs, state=State.DUE).update(next_attempt_at=Now())


def cancel(run: SyncRun, message: str = "") -> bool:
    """End an import or a check; what it brought stays."""
    with transaction.atomic():
        ended = SyncRun.objects.filter(pk=run.pk, state__in=SyncRun.OPEN).update(
            state=SyncRun.State.CANCELLED, finished_at=Now(), message=message
        )
        if ended and not run.is_check:
            # Nothing waits for a right any more.
            Resource.objects.filter(pk=run.resource_id).update(error="")
    return bool(ended)


def stop(resource: Resource, message: str) -> None:
    """Cancel the resource's open import and check, if any."""
    for run in resource.runs.filter(state__in=SyncRun.OPEN):
        cancel(run, message)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Walk due windows until there are none or the time is up. Returns how many pages were written."""
    history_ends.end_forgotten_runs()
    ends = time.monotonic() + seconds
    pages = 0
    while time.monotonic() < ends:
        for pk in windows().release_expired():
            history_ends.end_run_of(SyncWindow.objects.select_related("run").get(pk=pk))
        with _an_account() as (connection, claimed):
            if connection is None:
                break
            pages += history_walk.Walk(connection, ends).walk(claimed)
    return pages


# One account at a time in a process: a second walk would share its processor and need as much memory again. A walk ends
# with its drain; then it is another account's turn.
_walking = threading.Lock()
_walked_last: list[int] = []


@contextmanager
def _an_account() -> Iterator[tuple[int | None, list[SyncWindow]]]:
    """Windows of one account, as many as one worker walks at once, and its key. None where nothing is to be walked, or
    another thread of this process walks.
    """
    if not _walking.acquire(blocking=False):
        yield None, []
        return
    try:
        yield _claimed()
    finally:
        _walking.release()


def _claimed() -> tuple[int | None, list[SyncWindow]]:
    due = walkable().due().order_by("next_attempt_at", "pk")
    accounts = list(due.values_list("run__resource__connection", flat=True))
    for account in sorted(dict.fromkeys(accounts), key=lambda account: account in _walked_last):
        if claimed := claim(account):
            _walked_last[:] = [account]
            return account, claimed
    return None, []


def change_sync(resource: Resource, sync: str) -> None:
    """Import the history after all, or stop the import that runs."""
    Resource.objects.filter(pk=resource.pk).update(sync=sync)
    if sync == Resource.Sync.HISTORY_AND_NEW:
        start(resource, until=resource.since)
    else:
        stop(resource, "Only new records are wanted now.")
