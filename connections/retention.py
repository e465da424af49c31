"""What is removed by itself, page by page: never one statement over millions of rows, never a lock people notice.

Payloads go after 30 days, finished events after 45, log rows after 400 (they say why a contact has a value). What is
set aside or held stays until a person decides.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from common.due import State, database_now
from connections.models import BulkReplay, Connection, ConnectionStatus, InboundEvent, LogCount, SyncLogEntry, SyncRun

BODIES, EVENTS, LOG, CHECKS = timedelta(days=30), timedelta(days=45), timedelta(days=400), timedelta(days=45)
PAGE = 1000
DRAIN_SECONDS = 30
_FINISHED = (State.DONE, State.IGNORED)


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Remove what is old until nothing is or the time is up; the next ring goes on. Returns how many rows changed."""
    ends, now = time.monotonic() + seconds, database_now()
    cleared = 0
    for connection in Connection.objects.select_related("status").exclude(status=None):
        cleared += _empty_bodies(connection, now - BODIES, ends)
        cleared += _drop(
            InboundEvent.objects.filter(connection=connection, state__in=_FINISHED), "received_at", now - EVENTS, ends
        )
    cleared += _drop(SyncLogEntry.objects.all(), "worked_at", now - LOG, ends)
    cleared += _drop(SyncRun.objects.checks().exclude(state__in=SyncRun.OPEN), "started_at", now - CHECKS, ends)
    cleared += _drop(BulkReplay.objects.exclude(finished_at=None), "finished_at", now - CHECKS, ends)
    return cleared + _drop(LogCount.objects.all(), "day", timezone.localdate() - timedelta(days=1), ends)


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


def _drop(rows: QuerySet[Any], column: str, before: object, ends: float) -> int:
    dropped = 0
    while time.monotonic() < ends:
        old = rows.filter(**{f"{column}__lt": before}).order_by(column)
        page = list(old.values_list("pk", flat=True)[:PAGE])
        if page:
            rows.model.objects.filter(pk__in=page).delete()
            dropped += len(page)
        if len(page) < PAGE:
            break
    return dropped
