"""The timeline of contacts: every change once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone

from common import rows
from common.origin import Origin
from contacts.models import Activity


class NewActivity(NamedTuple):
    """`dedupe`: the same change has the same key however often it is told. `silent`: automations never see it."""

    contact_id: int | None
    kind: str
    occurred_at: datetime
    summary: str
    origin: Origin
    dedupe: str
    is_test: bool
    changes: Sequence[dict[str, Any]] = ()
    data: Mapping[str, Any] = MappingProxyType({})
    silent: bool = False


def record_activities(new: Iterable[NewActivity]) -> None:
    """Store what is not stored yet, in order of key, so that two workers do not lock crosswise."""
    now = timezone.now()
    rows.insert(
        [
            rows.made(
                Activity,
                contact_id=activity.contact_id,
                kind=activity.kind,
                occurred_at=activity.occurred_at,
                summary=activity.summary[:300],
                changes=list(activity.changes),
                data=dict(activity.data),
                origin=activity.origin,
                is_test=activity.is_test,
                dispatched_at=now if activity.silent else None,
                dedupe=activity.dedupe,
            )
            for activity in sorted(new, key=lambda activity: activity.dedupe)
        ],
        conflict="on conflict (dedupe) do nothing",
    )


def beginning_with(prefixes: Iterable[str]) -> QuerySet[Activity]:
    """The activities whose keys begin with one of the prefixes, each of which ends in a colon."""
    wanted = sorted(prefixes)
    found = rows.execute(_BEGINNING, [wanted, [f"{prefix[:-1]};" for prefix in wanted]]) if wanted else []
    return Activity.objects.filter(pk__in=[pk for (pk,) in found])


# By the index for prefixes, whatever the collation, and one prefix after the other, whatever statistics of a growing
# table say of a third of it; a semicolon follows the colon.
_BEGINNING = """
    select activity.id from unnest(%b::text[], %b::text[]) as prefix(first, after) cross join lateral (
        select id from contacts_activity where dedupe ~>=~ prefix.first and dedupe ~<~ prefix.after offset 0
    ) as activity
"""
