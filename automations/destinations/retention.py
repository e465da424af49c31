"""Deliveries that arrived long ago go, a page at a time; failed ones, which a person may resend, later."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db.models import QuerySet

from automations.destinations import signing
from automations.destinations.models import Delivery
from common.due import State, database_now

DELIVERIES, FAILED = timedelta(days=45), timedelta(days=400)
PAGE = 500
DRAIN_SECONDS = 30


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Returns how many deliveries went."""
    signing.forget_old_secrets()
    ends, now = time.monotonic() + seconds, database_now()
    return sum(
        _clear(Delivery.objects.filter(state__in=states, finished_at__lt=now - age), ends)
        for states, age in (([State.DONE, State.IGNORED], DELIVERIES), ([State.DEAD], FAILED))
    )


def _clear(rows: QuerySet[Delivery], ends: float) -> int:
    old, cleared = rows.order_by("finished_at"), 0
    while time.monotonic() < ends:
        page = list(old.values_list("pk", flat=True)[:PAGE])
        Delivery.objects.filter(pk__in=page).delete()
        cleared += len(page)
        if len(page) < PAGE:
            break
    return cleared
