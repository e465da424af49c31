"""Deliveries that arrived long ago go, a page at a time; failed ones, which a person may resend, later."""

from __future__ import annotations

import time
from datetime import timedelta

from automations.destinations import signing
from automations.destinations.models import Delivery
from common.clearing import drop
from common.due import State, database_now

DELIVERIES, FAILED = timedelta(days=45), timedelta(days=400)
DRAIN_SECONDS = 30


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Returns how many deliveries went."""
    signing.forget_old_secrets()
    ends, now = time.monotonic() + seconds, database_now()
    return sum(
        drop(Delivery.objects.filter(state__in=states, finished_at__lt=now - age).order_by("finished_at"), ends)
        for states, age in (([State.DONE, State.IGNORED], DELIVERIES), ([State.DEAD], FAILED))
    )
