"""What `/health/` watches of the automations."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Min, QuerySet

from automations import dispatch
from automations.models import DateWatch, Notice, Run
from campaigns import delivery
from common import health


def register() -> None:
    health.register("activities to dispatch", _undispatched, worked_by="inbox")
    health.register("automation runs", lambda: _oldest(Run.objects.due()), worked_by="inbox")
    health.register("dated triggers", lambda: _oldest(DateWatch.objects.due()), limit=timedelta(minutes=15))
    health.register("notices to colleagues", _notices, limit=timedelta(minutes=15))


def _undispatched() -> datetime | None:
    return dispatch.ready().values_list("recorded_at", flat=True).first()


def _notices() -> datetime | None:
    """Without a way to send any, they wait for somebody to set one up."""
    return _oldest(Notice.objects.due()) if delivery.is_configured() else None


def _oldest(rows: QuerySet[Run] | QuerySet[DateWatch] | QuerySet[Notice]) -> datetime | None:
    found: datetime | None = rows.aggregate(oldest=Min("next_attempt_at"))["oldest"]
    return found
