"""All due work done here and now, by this process alone or beside workers, until nothing is due and nothing is claimed.

What is scheduled for later does not count, but for the wait that a rate limit asks of a history that is being walked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Now

from common.due import State, database_now
from connections import (
    failed_derivations,
    fetching,
    historical,
    inbox,
    polling,
    reconcile,
    rederiving,
    replaying,
    underived,
    underived_pages,
)
from connections.models import (
    BulkReplay,
    Connection,
    ConnectionStatus,
    InboundEvent,
    RemoteObject,
    Resource,
    SyncLogEntry,
    SyncRun,
    SyncWindow,
)

TIMEOUT = 600.0
# One look at each queue; a long one must not keep the others waiting.
_SLICE = 5.0
_PAUSE = 0.1
_POLL_TRIES = 5
_WALKING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.WAITING)
_TOLD = 10


@dataclass(frozen=True)
class Queue:
    """Work of an app above: `drain(seconds)` gives how many were worked, `waits` how many are due or claimed now."""

    drain: Callable[[float], int]
    waits: Callable[[], int]


_queues: dict[str, Queue] = {}


def register(name: str, drain: Callable[[float], int], waits: Callable[[], int]) -> None:
    """Have an app's due work done here too. For `AppConfig.ready()`; `name` is what waits, in words: "mails"."""
    _queues[name] = Queue(drain, waits)


@dataclass
class Report:
    """What was done, and the reasons why not all is well: what died meanwhile, or what is still not done."""

    polled: int = 0
    events: int = 0
    objects: int = 0
    pages: int = 0
    rederived: int = 0
    others: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.events + self.rederived + self.objects + self.pages + sum(self.others.values())


def work(*, until_idle: bool = True, poll: bool = False, timeout: float = TIMEOUT) -> Report:
    """Work what is due; with `until_idle` also wait for others' claims and for rate limits, at most `timeout` seconds.

    With `poll`, every connected account is first asked for new events, whenever its next look is due.
    """
    started, ends = database_now(), time.monotonic() + timeout
    usable = set(Connection.objects.usable().values_list("pk", flat=True))
    report = Report()
    if poll:
        _poll_all(report, ends)
    while True:
        before = report.done
        _once(report, ends)
        if report.done > before and time.monotonic() < ends:
            continue
        waits = busy()
        if not waits or not until_idle:
            break
        if time.monotonic() >= ends:
            report.reasons.append(f"Still busy after {timeout:g} seconds: {', '.join(waits)}.")
            break
        time.sleep(_PAUSE)
    report.reasons += died(started, usable)
    return report


def busy() -> list[str]:
    """What keeps us from being idle, in words; empty when idle."""
    now = Q(state=State.RUNNING) | Q(state=State.DUE, next_attempt_at__lte=Now())
    events = InboundEvent.objects.filter(now).count()
    # A wish that was never refused is moved ahead only by whoever is fetching it.
    wished = RemoteObject.objects.filter(connection__state=Connection.State.ACTIVE, wanted_at__isnull=False)
    objects = wished.filter(Q(wanted_at__lte=Now()) | Q(wanted_attempts=0)).count()
    walking = Q(run__state__in=_WALKING, run__resource__connection__state=Connection.State.ACTIVE)
    due = now | Q(state=State.DUE, last_error_code="rate_limit")
    windows = SyncWindow.objects.filter(Q(state=State.RUNNING) | walking & due).count()
    # One that waits until there is room in the inbox is due again in a moment.
    replays = BulkReplay.objects.filter(state__in=[State.DUE, State.RUNNING]).count()
    queues = (rederiving.walkable(), failed_derivations.workable())
    derivations = sum(queue.filter(now).count() for queue in queues) + underived.open_().count()
    counted = (
        (events, "events"),
        (derivations, "changes to derive from"),
        (objects, "objects to fetch"),
        (windows, "stretches of history"),
        (replays, "replays of many events"),
    )
    others = [(queue.waits(), name) for name, queue in _queues.items()]
    return [f"{count} {words}" for count, words in (*counted, *others) if count]


def died(since: datetime, usable: set[int]) -> list[str]:
    """What was set aside, failed or was refused from that moment on, in words."""
    dead = SyncLogEntry.objects.filter(result=SyncLogEntry.Result.DEAD, worked_at__gte=since).order_by("pk")
    reasons = [
        f"{entry.event_type or 'Event'} {entry.event_id} was set aside: {entry.reason}" for entry in dead[:_TOLD]
    ]
    if (more := dead.count() - _TOLD) > 0:
        reasons.append(f"{more} more events were set aside.")
    failed = (
        SyncRun.objects.imports()
        .filter(state__in=[SyncRun.State.FAILED, SyncRun.State.PARTLY_FAILED], finished_at__gte=since)
        .select_related("resource__connection")
    )
    for run in failed.order_by("pk"):
        words = "failed" if run.state == SyncRun.State.FAILED else "failed in part"
        reasons.append(f"The history of {run.resource} ({run.resource.connection}) {words}: {run.message}")
    held = Resource.objects.active().filter(connection__in=usable).exclude(error="").select_related("connection")
    reasons += [f"{resource} ({resource.connection}): {resource.error}" for resource in held]
    refused = Connection.objects.filter(pk__in=usable, state=Connection.State.AUTH_FAILED)
    return reasons + [f"{connection}: {connection.error}" for connection in refused]


def _once(report: Report, ends: float) -> None:
    drains = (
        ("events", inbox.drain),
        ("rederived", rederiving.drain),
        ("rederived", underived_pages.drain),
        ("rederived", failed_derivations.drain),
        ("objects", fetching.drain),
        ("pages", historical.drain),
        ("pages", reconcile.drain),
        ("pages", replaying.drain),
    )
    for name, drain in drains:
        seconds = min(_SLICE, max(ends - time.monotonic(), 0.0))
        setattr(report, name, getattr(report, name) + drain(seconds))
    for name, queue in _queues.items():
        seconds = min(_SLICE, max(ends - time.monotonic(), 0.0))
        report.others[name] = report.others.get(name, 0) + queue.drain(seconds)


def _poll_all(report: Report, ends: float) -> None:
    for connection in Connection.objects.usable():
        # A key that is refused is told as such, at the end.
        if not _polled(connection, report, ends) and Connection.objects.usable().filter(pk=connection.pk).exists():
            report.reasons.append(f"{connection} could not be asked for new events. Try again later.")


def _polled(connection: Connection, report: Report, ends: float) -> bool:
    """Ask an account, a few times when its limit is used up or it does not answer. False if it never did."""
    started = database_now()
    for _ in range(_POLL_TRIES):
        report.polled += polling.poll(connection)
        if ConnectionStatus.objects.filter(connection=connection, polled_at__gte=started).exists():
            return True
        if not _waited(connection, ends):
            break
    return False


def _waited(connection: Connection, ends: float) -> bool:
    """Sit out a throttle. False if there is none to sit out, or not the time for it."""
    while time.monotonic() < ends:
        status = ConnectionStatus.objects.filter(connection=connection, throttled_until__gt=Now())
        if not status.exists():
            return True
        time.sleep(_PAUSE)
    return False
