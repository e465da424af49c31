"""What events of a batch say they changed of subscriptions: the states held tell only where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connections.derived import Edit, Told
from connections.models import SyncLogEntry

if TYPE_CHECKING:
    from connections.incoming import Incoming, Outcome


def of(batch: list[Incoming], outcomes: list[Outcome]) -> dict[str, list[Edit]]:
    """The edits by key of the subscription, in the order of the batch."""
    found: dict[str, list[Edit]] = {}
    for incoming, outcome in zip(batch, outcomes, strict=True):
        record = incoming.translation.record
        if record is None or record.object_type != "subscription" or outcome.result == SyncLogEntry.Result.IGNORED:
            continue
        if record.before and not outcome.waits_for:
            told = Told(record.occurred_at, incoming.via, incoming.key)
            found.setdefault(record.key, []).append(
                Edit(record.before, record.after, told, record.key in outcome.stored and not outcome.late)
            )
    return found
