"""How much the log wrote today, without reading it: a page that asks every few seconds must not count 100,000 rows.

Each transaction that writes log rows also inserts what it added, a row a resource and result. A single row a day would
have every worker wait for the last one to commit; an exact count of the log took 1.5 s during a large import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from connections.models import LogCount, SyncLogEntry

Result = SyncLogEntry.Result
SYNCED = (Result.CREATED, Result.UPDATED, Result.UNCHANGED)
_COUNTED = (*SYNCED, Result.SKIPPED)
# Rows that failed are counted in the log itself, as the next try writes over them; more than this is “many”.
MOST_FAILED = 1000


@dataclass(frozen=True)
class Today:
    """What the log wrote since midnight about one resource or account."""

    synced: int = 0
    failed: int = 0
    without_email: int = 0


def add(entries: list[SyncLogEntry]) -> None:
    """Count rows about to be written. Only results that no later try writes over."""
    added = Counter((e.connection_id, e.resource_kind, str(e.result)) for e in entries if e.result in _COUNTED)
    today = timezone.localdate()
    LogCount.objects.bulk_create(
        [
            LogCount(connection_id=connection, resource_kind=kind, day=today, result=result, number=number)
            for (connection, kind, result), number in sorted(added.items())
        ]
    )


def today(connection_ids: Iterable[int]) -> dict[tuple[int, str], Today]:
    """By connection and kind of resource. One query, which reads nothing of what went well."""
    ids = list(connection_ids)
    place = ("connection", "resource_kind", "result")
    sums = LogCount.objects.filter(day=timezone.localdate(), connection__in=ids).order_by()
    summed = sums.values(*place).annotate(total=Sum("number")).values_list(*place, "total")
    written: dict[tuple[int, str], Counter[str]] = {}
    for connection, kind, result, number in summed.union(_failed(ids, place), all=True):
        written.setdefault((connection, kind), Counter())[result] += number
    return {
        key: Today(
            synced=sum(found[result] for result in SYNCED),
            failed=sum(found[result] for result in SyncLogEntry.TROUBLE),
            without_email=found[Result.SKIPPED],
        )
        for key, found in written.items()
    }


def total(parts: Iterable[Today]) -> Today:
    days = list(parts)
    return Today(
        sum(day.synced for day in days), sum(day.failed for day in days), sum(day.without_email for day in days)
    )


def _failed(ids: list[int], place: tuple[str, ...]) -> QuerySet[Any, Any]:
    """Of the newest rows in trouble, which have an index of their own, those of today."""
    newest = SyncLogEntry.objects.filter(connection__in=ids, result__in=SyncLogEntry.TROUBLE).order_by("-pk")
    rows = SyncLogEntry.objects.filter(pk__in=newest.values("pk")[:MOST_FAILED], worked_at__gte=_midnight())
    counted: QuerySet[Any, Any] = (
        rows.order_by().values(*place).annotate(total=Count("pk")).values_list(*place, "total")
    )
    return counted


def _midnight() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
