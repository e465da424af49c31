"""What `/health/` watches of the connections, and what the sidebar warns of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, QuerySet
from django.http import HttpRequest

from common import health
from common.due import State
from connections import historical
from connections.models import Connection, ConnectionStatus, InboundEvent, RemoteObject, SyncRun


def register() -> None:
    health.register("inbox", _inbox)
    health.register("wanted objects", _wanted)
    health.register("history", _history)
    health.register("polling", _polling, limit=timedelta(minutes=15))


def _inbox() -> datetime | None:
    return _oldest(InboundEvent.objects.due(), "next_attempt_at")


def _wanted() -> datetime | None:
    wanted = RemoteObject.objects.filter(wanted_at__isnull=False, connection__state=Connection.State.ACTIVE)
    return _oldest(wanted, "wanted_at")


def _history() -> datetime | None:
    """A window is overdue only if nobody walks: a long import has windows that wait their turn."""
    walking = historical.walkable().filter(state=State.RUNNING).exists()
    return None if walking else _oldest(historical.walkable().due(), "next_attempt_at")


def _polling() -> datetime | None:
    status = ConnectionStatus.objects.filter(connection__state=Connection.State.ACTIVE)
    return _oldest(status, "next_poll_at")


def _oldest(rows: QuerySet[Any], column: str) -> datetime | None:
    oldest: datetime | None = rows.aggregate(oldest=Min(column))["oldest"]
    return oldest


def attention(_request: HttpRequest) -> int:
    """Things at Apps that need a person: refused keys, events set aside, imports that failed, endpoint trouble."""
    connected = Connection.objects.connected()
    refused = connected.filter(state=Connection.State.AUTH_FAILED).count()
    trouble = connected.filter(polls=False).exclude(endpoint_error="").count()
    dead = InboundEvent.objects.filter(state=State.DEAD, connection__in=connected).count()
    failed = SyncRun.objects.filter(
        resource__connection__in=connected,
        resource__removed_at=None,
        state__in=[SyncRun.State.FAILED, SyncRun.State.PARTLY_FAILED],
    ).count()
    return refused + trouble + dead + failed
