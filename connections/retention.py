"""What is removed by itself, page by page.

Payloads go after 30 days, finished events after 45, log rows after 400 (they say why a contact has a value). What is
set aside stays until a person decides; what ends after more than 30 days loses its payload as it ends. What is held for
a disconnected account, or waits there for an object, is of no use after 30 days: connecting again begins anew.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from common.clearing import PAGE, drop
from common.due import State, database_now
from connections.models import BulkReplay, Connection, ConnectionStatus, InboundEvent, LogCount, SyncLogEntry, SyncRun

BODIES, EVENTS, LOG, CHECKS = timedelta(days=30), timedelta(days=45), timedelta(days=400), timedelta(days=45)
DRAIN_SECONDS = 30
_FINISHED = (State.DONE, State.IGNORED)


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Remove what is old until nothing is or the time is up; the next ring goes on. Returns how many rows changed."""
    ends, now = time.monotonic() + seconds, database_now()
    cleared = 0
    finished = InboundEvent.objects.filter(state__in=_FINISHED, received_at__lt=now - EVENTS)
    for connection in Connection.objects.select_related("status").exclude(status=None):
        cleared += _empty_bodies(connection, now - BODIES, ends)
        if not connection.is_connected:
            cleared += _let_go(connection, now - BODIES, ends)
        cleared += drop(finished.filter(connection=connection).order_by("received_at"), ends)
    checked = SyncRun.objects.checks().exclude(state__in=SyncRun.OPEN).filter(started_at__lt=now - CHECKS)
    yesterday = timezone.localdate() - timedelta(days=1)
    others = (
        SyncLogEntry.objects.filter(worked_at__lt=now - LOG).order_by("worked_at"),
        checked.order_by("started_at"),
        BulkReplay.objects.filter(finished_at__lt=now - CHECKS).order_by("finished_at"),
        LogCount.objects.filter(day__lt=yesterday).order_by("day"),
    )
    return cleared + sum(drop(old, ends) for old in others)


def empty_old(events: QuerySet[InboundEvent]) -> int:
    """Take the bodies of events that ended so late that nobody will look for them again."""
    return events.filter(state__in=_FINISHED, received_at__lt=Now() - BODIES).update(body=None)


def _let_go(connection: Connection, before: datetime, ends: float) -> int:
    """End what a disconnection left unfinished; only here few old ones are left to look through."""
    unfinished = (State.HELD, State.WAITING)
    held = InboundEvent.objects.filter(connection=connection, received_at__lt=before, state__in=unfinished)
    let_go = 0
    while time.monotonic() < ends:
        page = held.filter(pk__in=list(held.order_by("received_at").values_list("pk", flat=True)[:PAGE]))
        count = page.update(state=State.IGNORED, body=None, processed_at=Now())
        let_go += count
        if count < PAGE:
            break
    return let_go


def _empty_bodies(connection: Connection, before: datetime, ends: float) -> int:
    """Walk the events in order of arrival from where the last walk stopped, so none is looked at every time."""
    emptied = 0
    reached = connection.status.bodies_cleared_until
    while time.monotonic() < ends:
        rows = InboundEvent.objects.filter(connection=connection, received_at__lt=before)
        if reached is not None:
            rows = rows.filter(received_at__gt=reached)
        times = list(rows.order_by("received_at").values_list("received_at", flat=True)[:PAGE])
        if not times:
            break
        # Rows of one moment belong together: the page ends with the last of them.
        page = rows.filter(received_at__lte=times[-1], state__in=_FINISHED, body__isnull=False)
        emptied += page.update(body=None)
        reached = times[-1]
        ConnectionStatus.objects.filter(pk=connection.pk).update(bodies_cleared_until=reached)
    return emptied
