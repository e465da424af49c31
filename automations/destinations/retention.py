"""Deliveries that arrived long ago go, a page at a time. Failed ones stay until a person decides."""

from __future__ import annotations

import time
from datetime import timedelta

from automations.destinations import signing
from automations.destinations.models import Delivery
from common.due import State, database_now

DELIVERIES = timedelta(days=45)
PAGE = 500
DRAIN_SECONDS = 30


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Returns how many deliveries went."""
    signing.forget_old_secrets()
    ends, cleared = time.monotonic() + seconds, 0
    old = Delivery.objects.filter(state=State.DONE, finished_at__lt=database_now() - DELIVERIES).order_by("finished_at")
    while time.monotonic() < ends:
        page = list(old.values_list("pk", flat=True)[:PAGE])
        Delivery.objects.filter(pk__in=page).delete()
        cleared += len(page)
        if len(page) < PAGE:
            break
    return cleared
