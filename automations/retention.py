"""Runs that ended long ago go, with their log, a page at a time. Those that run once stay: they say who had it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db.models import Q

from automations.models import Awaited, Notice, Run
from common.clearing import drop
from common.due import State, database_now

RUNS, NOTICES, LOST_NOTICES = timedelta(days=400), timedelta(days=45), timedelta(days=400)
DRAIN_SECONDS = 30


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Remove what is old until nothing is or the time is up. Returns how many rows went."""
    ends, now = time.monotonic() + seconds, database_now()
    cleared = _clear_notices(now)
    Awaited.objects.filter(activity__recorded_at__lt=now - RUNS).delete()
    # A failed run stays until a person decides.
    old = Run.objects.filter(ended_at__lt=now - RUNS, runs_once=False).exclude(state=State.DEAD).order_by("ended_at")
    return cleared + drop(old, ends)


def _clear_notices(now: datetime) -> int:
    """One that failed may never have been handed over, so its age is that of the wish."""
    sent = Q(state=State.DONE, handed_at__lt=now - NOTICES)
    lost = Q(state=State.DEAD, created_at__lt=now - LOST_NOTICES)
    return Notice.objects.filter(sent | lost).delete()[0]
