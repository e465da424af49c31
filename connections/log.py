"""The sync log: one row per event or history record, and one more per replay."""

from __future__ import annotations

from django.db import connection as database

from connections import log_counts
from connections.models import InboundEvent, SyncLogEntry

_REWRITTEN = [
    "resource_kind",
    "mapping",
    "contact",
    "contact_email",
    "result",
    "reason",
    "changes",
    "warnings",
    "object_id",
    "worked_at",
    "duration_ms",
]


def reserve_ids(count: int) -> list[int]:
    """Primary keys for rows yet to be written: facts name the row that brings them before it exists."""
    with database.cursor() as cursor:
        cursor.execute(
            "select nextval(pg_get_serial_sequence('connections_synclogentry', 'id')) from generate_series(1, %s)",
            [count],
        )
        return [row[0] for row in cursor.fetchall()]


def ids_for(events: list[InboundEvent | None]) -> list[int]:
    """A primary key each: that of the row an event's earlier attempt left, else a new one."""
    left = (
        {
            (entry.inbound_id, entry.replay): entry.pk
            for entry in SyncLogEntry.objects.filter(inbound__in=[e.pk for e in events if e]).only(
                "inbound_id", "replay"
            )
        }
        if any(events)
        else {}
    )
    found = [left.get((event.pk, event.replays)) if event else None for event in events]
    fresh = iter(reserve_ids(sum(pk is None for pk in found)))
    return [pk if pk is not None else next(fresh) for pk in found]


def write(entries: list[SyncLogEntry]) -> None:
    """Store the rows; a row whose primary key exists is written over (a failed attempt that now went well)."""
    log_counts.add(entries)
    SyncLogEntry.objects.bulk_create(entries, update_conflicts=True, unique_fields=["id"], update_fields=_REWRITTEN)
