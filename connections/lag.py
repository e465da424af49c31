"""How long it takes from Stripe to the contact, and what came only because we looked ourselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import JSONField
from django.db.models.expressions import RawSQL

from common.formats import took_text

# The newest of the last hour tell enough, and reading them stays cheap in a burst.
NEWEST = 1000
# Each part reads at most NEWEST rows by an index of its own; a burst or an import makes it no dearer.
_LAG = """
    select jsonb_build_object(
        'median', (select percentile_cont(0.5) within group (order by took) from recent),
        'worst', (select max(took) from recent),
        'waiting_since', (select min(occurred_at) from unfinished),
        'missed', (select count(*) from late),
        'missed_today', (select count(*) from late where received_at > now() - interval '1 day'),
        'missed_at', (select max(received_at) from late),
        'read_at', statement_timestamp())
    from (select) as one_row
"""
_WITH = """
    with recent as (
        select greatest(extract(epoch from processed_at - occurred_at), 0) as took
        from connections_inboundevent
        where connection_id = connections_connection.id and received_at > now() - interval '1 hour'
          and state = 'done' and replays = 0
        order by received_at desc limit %s
    ), unfinished as (
        (select occurred_at from connections_inboundevent
         where connection_id = connections_connection.id and state = 'due' order by next_attempt_at limit %s)
        union all
        (select occurred_at from connections_inboundevent
         where connection_id = connections_connection.id and state = 'running' order by lease_until limit %s)
        union all
        (select occurred_at from connections_inboundevent
         where connection_id = connections_connection.id and state = 'waiting' order by occurred_at limit 1)
    ), late as (
        select received_at from connections_inboundevent
        where connection_id = connections_connection.id and missed and received_at > now() - interval '7 days'
        order by received_at desc limit %s
    )
"""


@dataclass(frozen=True)
class Lag:
    """`median` and `worst` of the events of the last hour (the newest thousand), None without any.

    `waiting_since`: when the oldest event that is not applied yet happened. `missed`: events of the last seven days
    that no webhook brought, at most NEWEST; `missed_today`: those of the last day; `missed_at`: when the newest came.
    `read_at`: the database's clock.
    """

    median: timedelta | None = None
    worst: timedelta | None = None
    waiting_since: datetime | None = None
    missed: int = 0
    missed_today: int = 0
    missed_at: datetime | None = None
    read_at: datetime | None = None

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """From what `annotation` reads."""
        return cls(
            median=_duration(found["median"]),
            worst=_duration(found["worst"]),
            waiting_since=_moment(found["waiting_since"]),
            missed=found["missed"],
            missed_today=found["missed_today"],
            missed_at=_moment(found["missed_at"]),
            read_at=_moment(found["read_at"]),
        )

    @property
    def usual(self) -> str:
        return took_text(self.median) if self.median is not None else ""

    @property
    def longest(self) -> str:
        return took_text(self.worst) if self.worst is not None else ""

    @property
    def is_capped(self) -> bool:
        """Are there more missed webhooks than were counted?"""
        return self.missed >= NEWEST


def annotation() -> RawSQL:
    """For a query of connections, so that a page needs no further one."""
    return RawSQL(_WITH + _LAG, [NEWEST] * 4, output_field=JSONField())  # noqa: S611  nothing of a user's is in it


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
