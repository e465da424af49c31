"""Old rows removed page by page: never one statement over millions of rows, never a lock people notice."""

from __future__ import annotations

import time
from typing import Any

from django.db.models import QuerySet

PAGE = 500


def drop(old: QuerySet[Any], ends: float) -> int:
    """Delete these rows, in an order an index knows, until none is left or the time is up. Returns how many went.

    `ends`: by time.monotonic().
    """
    dropped = 0
    while time.monotonic() < ends:
        page = list(old.values_list("pk", flat=True)[:PAGE])
        if page:
            old.model.objects.filter(pk__in=page).delete()
        dropped += len(page)
        if len(page) < PAGE:
            break
    return dropped
