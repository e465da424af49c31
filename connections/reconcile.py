"""The comparison of what we hold with what Stripe lists: each night, on demand, and in full after a long absence.

It finds what no event told: an event Stripe never made, or more than thirty days without us. It starts nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from common.due import DueQuerySet, State, database_now
from connections import api, historical, history_ends, polling, reconcile_pages
from connections.history_windows import Stopped
from connections.inbox import Moved
from connections.models import Connection, ConnectionStatus, Resource, Sighting, SyncRun, SyncWindow
from connections.reconcile_pages import CURRENT
from connections.reconcile_writes import UNSEEN
from connections.refusals import passes
from connections.sources.base import SourceError
from connections.sources.stripe.events import RESOURCES
from connections.sources.stripe.listing import LISTINGS

logger = logging.getLogger(__name__)
RECENT = timedelta(days=3)
WALKED_AT_ONCE = 2
DRAIN_SECONDS = 20
# Between one and five in the morning, each account at a minute of its own.
_NIGHT_BEGINS, _NIGHT_SECONDS = timedelta(hours=1), 4 * 3600
_FULL_WINDOWS = 16
_WALKING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.WAITING)
# Objects of other kinds that a resource's own records are made of.
_SUPPORT = {
    "charge": ("customer",),
    "customer": (),
    "subscription": ("customer", "invoice", "charge"),
    "invoice": ("customer", "charge"),
    "checkout_session": ("customer", "charge"),
}


def next_night(connection_id: int, now: datetime | None = None) -> datetime:
    """When this account is compared next, at the same minute of every night."""
    now = timezone.localtime(now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + _NIGHT_BEGINS + timedelta(seconds=connection_id * 7919 % _NIGHT_SECONDS)
    return moment if moment > now else moment + timedelta(days=1)


def soon(connection: Connection) -> None:
    """Compare at the next ring."""
    ConnectionStatus.objects.filter(pk=connection.pk).update(next_reconcile_at=Now())


def start(connection: Connection, *, full: bool = False, user: Any = None) -> list[SyncRun]:
    """Begin a check of the account, one run a resource; returns the open ones if one is under way.

    `full` compares every object, not only the recent and the running ones, and takes the place of a lesser check.
    """
    with transaction.atomic():
        ConnectionStatus.objects.select_for_update(no_key=True).get(pk=connection.pk)
        resources = list(connection.resources.active().select_related("connection"))
        open_ = list(SyncRun.objects.checks().open().filter(resource__in=resources))
        if open_ and (not full or any(run.kind == SyncRun.Kind.FULL_CHECK for run in open_)):
            return open_
        for run in open_:
            historical.cancel(run, "A check of every object takes its place.")
        kind = SyncRun.Kind.FULL_CHECK if full else SyncRun.Kind.CHECK
        now = database_now()
        listings = _listings(connection, resources)
        return [_begin(resource, kind, now, listings[resource.kind], user) for resource in resources]


def _begin(resource: Resource, kind: str, now: datetime, listings: list[str], user: Any) -> SyncRun:
    full = kind == SyncRun.Kind.FULL_CHECK
    begin = (resource.connection.account_created_at or historical.BEGINNING) - timedelta(days=1)
    run = SyncRun.objects.create(
        resource=resource,
        kind=kind,
        epoch=resource.connection.epoch,
        range_from=begin if full else now - RECENT,
        range_to=now,
        started_by=user,
    )
    end = now + timedelta(seconds=2)
    windows = []
    for listing in listings:
        edges = [begin + (end - begin) * i / _FULL_WINDOWS for i in range(_FULL_WINDOWS)] if full else [now - RECENT]
        edges = [edge.replace(microsecond=0) for edge in edges] + [end]
        windows += [
            SyncWindow(run=run, listing=listing, starts_at=a, ends_at=b) for a, b in reversed(list(pairwise(edges)))
        ]
        if listing == "subscription" and not full:
            windows.append(SyncWindow(run=run, listing=f"{listing}{CURRENT}", starts_at=begin, ends_at=end))
        if listing == "subscription" or (listing == "customer" and full):
            windows.append(SyncWindow(run=run, listing=f"{listing}{UNSEEN}", starts_at=begin, ends_at=end))
    SyncWindow.objects.bulk_create(windows)
    return run


def _listings(connection: Connection, resources: list[Resource]) -> dict[str, list[str]]:
    """What each resource's run walks: its own list and, once an account, those its records are made of."""
    walked = {resource.kind: [resource.kind] for resource in resources}
    taken = set(walked)
    for resource in sorted(resources, key=lambda resource: RESOURCES.index(resource.kind)):
        for kind in _SUPPORT[resource.kind]:
            readable = LISTINGS[kind].permission not in connection.missing_permissions
            if kind not in taken and readable and (kind == "customer" or resource.data == Resource.Data.ALL):
                taken.add(kind)
                walked[resource.kind].append(kind)
    return walked


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Begin the checks whose time has come, and walk those under way. Returns how many pages were compared."""
    ends = time.monotonic() + seconds
    _end_forgotten()
    _start_due()
    pages = 0
    while time.monotonic() < ends:
        for pk in _windows().release_expired():
            _conclude(SyncWindow.objects.get(pk=pk).run_id)
        if _windows().claimed().count() >= WALKED_AT_ONCE:
            break
        claimed = walkable().claim(1)
        if not claimed:
            break
        pages += _walk(claimed[0], ends)
    return pages


def _start_due() -> None:
    for connection in _due():
        with transaction.atomic():
            status = (
                ConnectionStatus.objects.filter(pk=connection.pk)
                .filter(_is_due())
                .select_for_update(skip_locked=True, no_key=True, of=("self",))
                .first()
            )
            if status is None:
                continue
            begun = start(connection, full=status.gap_since is not None)
            # A gap stays noted until a check of every object has ended, unless there is nothing to compare.
            closed: dict[str, Any] = {} if begun else {"gap_since": None}
            ConnectionStatus.objects.filter(pk=connection.pk).update(
                **closed, next_reconcile_at=next_night(connection.pk)
            )


def _due() -> Iterator[Connection]:
    return iter(Connection.objects.usable().filter(status__in=ConnectionStatus.objects.filter(_is_due())))


def _is_due() -> Q:
    full = SyncRun.objects.checks().open().filter(kind=SyncRun.Kind.FULL_CHECK, resource__connection=OuterRef("pk"))
    return Q(next_reconcile_at__lte=Now()) | Q(~Exists(full), gap_since__isnull=False)


def _windows() -> DueQuerySet:
    return SyncWindow.objects.get_queryset().filter(run__in=SyncRun.objects.checks())


def walkable() -> DueQuerySet:
    """Windows somebody may walk now. What no list showed is looked at once every list has been read."""
    usable = _windows().filter(run__state__in=_WALKING, run__resource__connection__state=Connection.State.ACTIVE)
    lists = SyncWindow.objects.filter(run=OuterRef("run")).exclude(listing__endswith=UNSEEN).exclude(state=State.DONE)
    return usable.exclude(Q(run__resource__connection__status__throttled_until__gt=Now())).exclude(
        Q(listing__endswith=UNSEEN) & Exists(lists)
    )


def _walk(window: SyncWindow, ends: float) -> int:
    run = SyncRun.objects.select_related("resource__connection", "resource__mapping").get(pk=window.run_id)
    SyncRun.objects.filter(pk=run.pk, state__in=(SyncRun.State.QUEUED, SyncRun.State.WAITING)).update(
        state=SyncRun.State.RUNNING, message=""
    )
    pages = 0
    try:
        client = api.client_of(run.resource.connection)
        while window.state == State.RUNNING:
            reconcile_pages.compare(client, window, run)
            pages += 1
            if time.monotonic() > ends and window.state == State.RUNNING:
                window.later(timedelta(0))
                return pages
        _conclude(run.pk)
    except SourceError as error:
        _interrupted(window, run, error)
    except OperationalError as error:
        if not passes(error):
            raise
        logger.warning("A page of a check waits for the database: %s", error)
        window.later(timedelta(seconds=1))
    except Stopped:
        window.later(timedelta(0))
    except Moved:
        window.later(timedelta(0))
        historical.cancel(run, "The account was disconnected.")
    return pages


def _interrupted(window: SyncWindow, run: SyncRun, error: SourceError) -> None:
    api.note(run.resource.connection, error)
    error = history_ends.judged(window, run, error)
    if not history_ends.put_off(window, error):
        ended = window.failed(code=error.code, error=error.message, permanent=error.permanent)
        if ended == State.DEAD:
            _conclude(run.pk)
            return
    SyncRun.objects.filter(pk=run.pk, state__in=_WALKING).update(state=SyncRun.State.WAITING, message=error.message)


def _end_forgotten() -> None:
    """Conclude checks whose worker died after their last page, before it could do that."""
    left = SyncWindow.objects.filter(run=OuterRef("pk")).exclude(state__in=[State.DONE, State.DEAD])
    # Where a list could not be read nobody looks at what it lacks, so that waits in vain.
    walked = left.exclude(listing__endswith=UNSEEN, state=State.DUE)
    dead = SyncWindow.objects.filter(run=OuterRef("pk"), state=State.DEAD)
    forgotten = SyncRun.objects.checks().filter(~Exists(walked), ~Exists(left) | Exists(dead), state__in=_WALKING)
    for pk in forgotten.values_list("pk", flat=True):
        _conclude(pk)


def _conclude(run_id: int) -> None:
    """End the run once nothing is left to walk. A list that could not be read proves nothing of what it lacks."""
    with transaction.atomic():
        run = SyncRun.objects.select_for_update(no_key=True).select_related("resource").get(pk=run_id)
        dead = run.windows.filter(state=State.DEAD).first()
        if dead is not None:
            run.windows.filter(listing__endswith=UNSEEN, state=State.DUE).update(
                state=State.DEAD, last_error=dead.last_error
            )
        if run.windows.exclude(state__in=[State.DONE, State.DEAD]).exists() or not run.is_open:
            return
        run.state = SyncRun.State.DONE
        if dead is not None:
            run.state, run.message = SyncRun.State.PARTLY_FAILED, dead.last_error
        elif run.failed:
            run.state = SyncRun.State.PARTLY_FAILED
            run.message = f"{run.failed} objects that differ could not be put right; see the sync log."
        run.finished_at = Now()
        run.save(update_fields=["state", "message", "finished_at"])
        Sighting.objects.filter(run=run).delete()
        if SyncRun.objects.checks().open().filter(resource__connection=run.resource.connection_id).exists():
            return
        status = ConnectionStatus.objects.filter(pk=run.resource.connection_id)
        status.update(reconciled_at=Now())
        if run.kind == SyncRun.Kind.FULL_CHECK:
            # One that began before the gap was noticed has not seen all of it.
            status.filter(gap_since__lt=run.range_to - polling.OLDEST).update(gap_since=None)
