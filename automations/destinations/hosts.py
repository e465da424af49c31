"""How hosts are doing: after five failures in a row one is left alone for a while, and nobody asks too fast."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, F
from django.db.models.functions import Now

from automations.destinations.models import Delivery, Host
from common.due import State

FAILURES = 5
PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=30)
# So many requests at once, and one while a host is doubted: a slow one must not take every thread.
AT_ONCE = 4
_SLOT = """update automations_destinationhost
set next_slot_at = greatest(next_slot_at, clock_timestamp()) + make_interval(secs => %s)
where id = %s and next_slot_at < clock_timestamp() + make_interval(secs => %s)
returning extract(epoch from next_slot_at - clock_timestamp()) - %s"""


def busy() -> list[int]:
    """Hosts that are being asked as much as they should be."""
    # From those under way, which are few: of all that was ever sent there are many, and this is asked for each.
    running = Delivery.objects.filter(state=State.RUNNING).order_by()
    counted = running.values_list("destination__host", "destination__host__failures").annotate(Count("pk"))
    return [host for host, failures, count in counted if count >= AT_ONCE or failures >= FAILURES]


def well(host_id: int) -> None:
    """The host answered, whatever it said."""
    Host.objects.filter(pk=host_id).exclude(failures=0).update(failures=0, paused_until=None)


def ill(host_id: int) -> None:
    """The host did not answer or is broken. From the fifth time in a row it rests: 1, 2, 4 … 30 minutes."""
    Host.objects.filter(pk=host_id).update(failures=F("failures") + 1)
    failures = Host.objects.values_list("failures", flat=True).get(pk=host_id)
    if failures >= FAILURES:
        rest(host_id, min(PAUSE * 2 ** min(failures - FAILURES, 10), LONGEST_PAUSE))


def rest(host_id: int, pause: timedelta) -> None:
    Host.objects.filter(pk=host_id).update(paused_until=Now() + pause)


def slot(host_id: int, per_second: float, *, longest: timedelta) -> float | None:
    """Seconds until this request may leave; None if that would be longer than `longest`."""
    gap = 1 / per_second
    with connection.cursor() as cursor:
        cursor.execute(_SLOT, [gap, host_id, longest.total_seconds(), gap])
        row = cursor.fetchone()
    return max(float(row[0]), 0.0) if row else None


def until(host: Host, now: datetime) -> datetime | None:
    """When a resting host is asked again."""
    return host.paused_until if host.paused_until and host.paused_until > now else None
