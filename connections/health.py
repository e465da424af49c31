"""What `/health/` watches of the connections, and what the sidebar warns of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, IntegerField, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest

from common import health
from common.due import DueQuerySet, State
from connections import clock, failed_derivations, history_windows, polling, rederiving, underived
from connections.models import BulkReplay, Connection, ConnectionStatus, InboundEvent, RemoteObject, Resource, SyncRun


def register() -> None:
    health.register("inbox", _inbox, worked_by="inbox")
    health.register("rows to derive anew", _rederivations)
    health.register("wanted objects", _wanted, worked_by="stripe")
    health.register("history", _history, worked_by="stripe")
    health.register("polling", _polling, limit=polling.PATIENCE, worked_by="stripe")
    health.register("object checks", _checks, limit=timedelta(hours=1), worked_by="stripe")
    health.register_condition("clock", clock.check)
    health.register("bulk replays", _replays, limit=timedelta(minutes=15), worked_by="inbox")


def _inbox() -> datetime | None:
    return _overdue(InboundEvent.objects.get_queryset())


def _rederivations() -> datetime | None:
    queues = (rederiving.walkable(), failed_derivations.workable())
    oldest = [_oldest(underived.due(), "marked_at"), *(_overdue(queue) for queue in queues)]
    return min((moment for moment in oldest if moment), default=None)


def _wanted() -> datetime | None:
    wanted = RemoteObject.objects.filter(wanted_at__isnull=False, connection__state=Connection.State.ACTIVE)
    return _oldest(wanted, "wanted_at")


def _history() -> datetime | None:
    """A window is overdue only if nobody walks: a long import has windows that wait their turn."""
    walkable = history_windows.walkable()
    return None if walkable.claimed().filter(lease_until__gt=Now()).exists() else _overdue(walkable)


def _polling() -> datetime | None:
    """A poll that nobody makes has a look overdue; one that comes to nothing moves its next look on, but not us."""
    active = ConnectionStatus.objects.filter(connection__state=Connection.State.ACTIVE).select_related("connection")
    moments = [moment for status in active for moment in (status.next_poll_at, _next_news(status))]
    return min(moments, default=None)


def _next_news(status: ConnectionStatus) -> datetime:
    """When a poll should have brought us forward again."""
    if status.connection.asks_itself:
        return status.poll_moved_at + timedelta(seconds=status.poll_seconds)
    return status.poll_moved_at + polling.PATIENCE_BESIDE_WEBHOOK - polling.PATIENCE


def _checks() -> datetime | None:
    status = ConnectionStatus.objects.filter(connection__state=Connection.State.ACTIVE)
    return _oldest(status, "next_reconcile_at")


def _replays() -> datetime | None:
    return _overdue(BulkReplay.objects.get_queryset())


def _overdue(rows: DueQuerySet[Any]) -> datetime | None:
    """Since when the oldest row waits for a worker: one that is due, or one whose worker let it lie."""
    moments = _oldest(rows.due(), "next_attempt_at"), _oldest(rows.expired(), "lease_until")
    return min((moment for moment in moments if moment), default=None)


def _oldest(rows: QuerySet[Any], column: str) -> datetime | None:
    oldest: datetime | None = rows.aggregate(oldest=Min(column))["oldest"]
    return oldest


def attention(_request: HttpRequest) -> int:
    """Things at Apps that need a person: refused keys, endpoint trouble, polls and imports that failed, events and
    updates of orders and recurring payments that are set aside, rights that the key lacks, a wrong clock.

    One query, as it runs on every page. Of a resource's imports only the newest counts.
    """
    dead = InboundEvent.objects.filter(connection=OuterRef("pk"), state=State.DEAD)
    newest = SyncRun.objects.imports().filter(resource=OuterRef("pk")).order_by("-pk").values("state")[:1]
    failed = (
        Resource.objects.active()
        .filter(connection=OuterRef("pk"))
        .annotate(newest=Subquery(newest))
        .filter(Q(newest__in=[SyncRun.State.FAILED, SyncRun.State.PARTLY_FAILED]) | ~Q(error=""))
    )
    usable = Q(state=Connection.State.ACTIVE)
    counts = (
        Connection.objects.connected()
        .annotate(dead_events=_count(dead), failed_runs=_count(failed), dead_updates=failed_derivations.counted())
        .aggregate(
            refused=Count("pk", filter=Q(state=Connection.State.AUTH_FAILED)),
            trouble=Count("pk", filter=Q(polls=False) & ~Q(endpoint_error="")),
            unheard=Count("pk", filter=polling.failing()),
            dead=Sum("dead_events"),
            updates=Sum("dead_updates"),
            failed=Sum("failed_runs"),
            ahead=Max("status__clock_ahead", filter=usable),
            behind=Min("status__clock_ahead", filter=usable),
            now=Max(Now()),
        )
    )
    clocks = [counts.pop("ahead"), counts.pop("behind")]
    wrong = clock.wrong(clocks, counts.pop("now"))
    return sum(count or 0 for count in counts.values()) + bool(wrong)


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many rows of each connection, as a subquery."""
    counted = rows.order_by().values("connection").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
