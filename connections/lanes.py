"""How workers share the inbox: by lanes, so that two of them are rarely at the same customer.

Two batches with events of one customer would wait for each other's rows, or meet as two that make the same contact, of
which one is rolled back and done again; with two workers that cost a third more CPU and all of the second's use.
What is right does not rest on lanes: the guard, the row locks and the constraints see to that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection as database
from django.db import transaction

from common.due import LEASE
from connections.models import InboundEvent
from connections.sources.stripe.translate import NOBODYS

# A batch takes a second or two. Who holds a lane for longer has died, or will soon be fenced.
_BUSY = timedelta(seconds=10)
# How many of the oldest due events are looked at for free lanes.
_LOOKED_AT = 2000
# So few are not shared: what a batch costs however little it holds is more than the help of a second worker.
_ONE_BATCH = 200
# Any number nobody else locks by.
_LOCK = 7_310_530


def claim(limit: int, until: datetime) -> list[InboundEvent]:
    """Events due by then, of lanes that no worker is at: of many, half of the free ones, so that the next worker finds
    some.
    """
    events = InboundEvent.objects.get_queryset()
    if suspects := events.claim_suspects(limit):
        return suspects
    with transaction.atomic():
        chosen = _share(_free(until))
        claimed: list[InboundEvent] = (
            events.filter(lane__in=chosen, next_attempt_at__lte=until).claim_fresh(limit) if chosen else []
        )
    return claimed


def _share(free: dict[int, int]) -> list[int]:
    """What names no customer is worked alone, in its turn: a batch of it waits for all others, who then need not wait
    for whatever else it would hold.
    """
    if next(iter(free), None) == NOBODYS:
        return [NOBODYS]
    others = [lane for lane in free if lane != NOBODYS]
    few = sum(free[lane] for lane in others) <= _ONE_BATCH
    return others if few else others[: (len(others) + 1) // 2]


def _free(until: datetime) -> dict[int, int]:
    """How many are due in each lane without a worker, the one that waits longest first. One worker asks at a time."""
    with database.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(_FREE, [(LEASE - _BUSY).total_seconds(), until, _LOOKED_AT])
        return dict(cursor.fetchall())


_FREE = """
    with busy as materialized (
        select distinct lane from connections_inboundevent
        where state = 'running' and lease_until > statement_timestamp() + make_interval(secs => %s)
    ), due as materialized (
        select lane, next_attempt_at from connections_inboundevent
        where state = 'due' and next_attempt_at <= %s and claims = 0 and lane not in (select lane from busy)
        order by next_attempt_at, id limit %s
    )
    select lane, count(*) from due group by lane order by min(next_attempt_at)
"""
