"""Everything that can be exported, in the shape that docs/contract.md fixes, one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from common import spreadsheet
from common.streaming import by_key
from connections.models import SyncLogEntry, SyncRun
from contacts.export import ACTIVITY_COLUMNS, activity_rows, contact_columns, contact_rows, flat_contact, utc
from orders import export as orders
from orders.export import flat_order, order_rows
from recurring_payments import export as recurring_payments
from recurring_payments.export import recurring_payment_rows

SYNC_RUN_COLUMNS = (
    "connection",
    "resource",
    "state",
    "started_at",
    "finished_at",
    "seen",
    "created",
    "updated",
    "unchanged",
    "skipped",
    "failed",
    "message",
)
SYNC_LOG_COLUMNS = (
    "time",
    "occurred_at",
    "connection",
    "via",
    "event_id",
    "event_type",
    "object_id",
    "contact_email",
    "result",
    "reason",
    "changes",
)
FORMATS = ("jsonl", "csv")

Rows = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Export:
    """`flat` makes a row fit the columns of a spreadsheet."""

    rows: Callable[[], Rows]
    columns: Callable[[], Iterable[str]]
    flat: Callable[[dict[str, Any]], dict[str, Any]] = dict


def sync_run_rows() -> Iterator[dict[str, Any]]:
    """One dict an import of history, in the order they were begun."""
    for run in by_key(SyncRun.objects.imports().select_related("resource__connection")):
        yield {
            "connection": run.resource.connection.name,
            "resource": run.resource.kind,
            "state": run.state,
            "started_at": utc(run.started_at),
            "finished_at": utc(run.finished_at) if run.finished_at else None,
            "seen": run.seen,
            "created": run.created,
            "updated": run.updated,
            "unchanged": run.unchanged,
            "skipped": run.skipped,
            "failed": run.failed,
            "message": run.message or None,
        }


def sync_log_rows() -> Iterator[dict[str, Any]]:
    """One dict an event or history record, and one more a replay, in the order they were begun to be worked at."""
    for entry in by_key(SyncLogEntry.objects.select_related("connection")):
        yield {
            "time": utc(entry.worked_at),
            "occurred_at": utc(entry.occurred_at),
            "connection": entry.connection.name,
            "via": entry.via,
            "event_id": entry.event_id or None,
            "event_type": entry.event_type or None,
            "object_id": entry.object_id or None,
            "contact_email": entry.contact_email or None,
            "result": entry.result,
            "reason": entry.reason or None,
            "changes": [_change(change) for change in entry.changes],
        }


def _change(change: dict[str, Any]) -> dict[str, Any]:
    """The columns of a contact know "" for what is missing; outside it is null."""
    return {name: None if change.get(name) == "" else change.get(name) for name in ("field", "old", "new")}


EXPORTS: dict[str, Export] = {
    "contacts": Export(contact_rows, contact_columns, flat_contact),
    "sync_runs": Export(sync_run_rows, lambda: SYNC_RUN_COLUMNS),
    "sync_log": Export(sync_log_rows, lambda: SYNC_LOG_COLUMNS),
    "activities": Export(activity_rows, lambda: ACTIVITY_COLUMNS),
    "orders": Export(order_rows, lambda: orders.COLUMNS, flat_order),
    "recurring_payments": Export(recurring_payment_rows, lambda: recurring_payments.COLUMNS),
}


def lines(what: str, kind: str) -> Iterator[str]:
    """The export as text, line by line and each with its end: rows are read as they are asked for."""
    export = EXPORTS[what]
    if kind == "jsonl":
        return spreadsheet.json_lines(export.rows())
    return spreadsheet.csv_lines((export.flat(row) for row in export.rows()), list(export.columns()))
