"""The sync log: one row per event or history record, and one more per replay."""

from __future__ import annotations

from django.db import connection as database

from common import rows
from connections import log_counts
from connections.models import InboundEvent, SyncLogEntry

# A failed attempt that went well at last: its row is written over.
_REWRITTEN = (
    "resource_kind",
    "mapping_id",
    "contact_id",
    "contact_email",
    "result",
    "reason",
    "changes",
    "warnings",
    "object_id",
    "duration_ms",
)
_OVERWRITE = f"""on conflict (id) do update set worked_at = statement_timestamp(),
    {", ".join(f"{name} = excluded.{name}" for name in _REWRITTEN)}"""


def reserve_ids(count: int) -> list[int]:
    """Primary keys for rows yet to be written: facts name the row that brings them before it exists."""
    if not count:
        return []
    with database.cursor() as cursor:
        cursor.execute(
            "select nextval('connections_synclogentry_id_seq') from generate_series(1, %s)",
            [count],
        )
        return [row[0] for row in cursor.fetchall()]


def ids_for(events: list[InboundEvent | None]) -> list[int]:
    """A primary key each: that of the row an event's earlier attempt left, else a new one."""
    # A failure that was counted has left a row; where a worker was lost there may be one, too.
    tried = [event.pk for event in events if event and (event.attempts or event.claims > 1)]
    left = (
        {
            (entry.inbound_id, entry.replay): entry.pk
            for entry in SyncLogEntry.objects.filter(inbound__in=tried).only("inbound_id", "replay")
        }
        if tried
        else {}
    )
    found = [left.get((event.pk, event.replays)) if event else None for event in events]
    fresh = iter(reserve_ids(sum(pk is None for pk in found)))
    return [pk if pk is not None else next(fresh) for pk in found]


def write(entries: list[SyncLogEntry]) -> None:
    """Store the rows; a row whose primary key exists is written over."""
    log_counts.add(entries)
    rows.insert(entries, conflict=_OVERWRITE)
