"""The timeline of contacts: every change once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from common import rows
from common.origin import Origin
from contacts.models import Activity


@dataclass(frozen=True)
class NewActivity:
    """`dedupe`: the same change has the same key however often it is told. `silent`: automations never see it."""

    contact_id: int | None
    kind: str
    occurred_at: datetime
    summary: str
    origin: Origin
    dedupe: str
    is_test: bool
    changes: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    silent: bool = False


def record_activities(new: Iterable[NewActivity]) -> None:
    """Store what is not stored yet, in order of key, so that two workers do not lock crosswise."""
    now = timezone.now()
    rows.insert(
        [
            Activity(
                contact_id=activity.contact_id,
                kind=activity.kind,
                occurred_at=activity.occurred_at,
                summary=activity.summary[:300],
                changes=activity.changes,
                data=activity.data,
                origin=activity.origin,
                is_test=activity.is_test,
                dispatched_at=now if activity.silent else None,
                dedupe=activity.dedupe,
            )
            for activity in sorted(new, key=lambda activity: activity.dedupe)
        ],
        conflict="on conflict (dedupe) do nothing",
    )
