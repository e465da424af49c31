"""Windows of imports: which may be walked, and by how many at once."""

from __future__ import annotations

from django.db import connection as database
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from common.due import DueQuerySet
from connections.models import Connection, SyncRun, SyncWindow

# Of one account, and by one worker, so that a second one finds some: to write pages is what takes the time.
WALKED_AT_ONCE, WALKED_BY_ONE = 16, 8
WALKING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.WAITING)
_LOCK = 0x57616C6B  # "Walk"


class Stopped(Exception):
    """The run was paused, cancelled or its account disconnected; the page was not written."""


def claim(connection_id: int, *, mine: int = 0, fresh: bool = False) -> list[SyncWindow]:
    """Windows of an account that may be walked beside those that are, `mine` of them by the one who asks.

    `fresh`: none that took a worker along.
    """
    of_account = {"run__resource__connection": connection_id}
    with transaction.atomic():
        # One worker counts at a time.
        with database.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_LOCK, connection_id])
        free = min(WALKED_BY_ONE - mine, WALKED_AT_ONCE - windows().claimed().filter(**of_account).count())
        if free <= 0:
            return []
        due = walkable().filter(**of_account)
        return due.claim_fresh(free) if fresh else due.claim(free)


def walkable() -> DueQuerySet:
    """Windows somebody may walk now."""
    open_ = windows().filter(run__state__in=WALKING, run__resource__connection__state=Connection.State.ACTIVE)
    return open_.exclude(Q(run__resource__connection__status__throttled_until__gt=Now()))


def windows() -> DueQuerySet:
    """Those of imports; a check walks its own."""
    return SyncWindow.objects.get_queryset().filter(run__in=SyncRun.objects.imports())
