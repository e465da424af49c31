"""Recurring payments that history's invoices and charges belong to: made anew once an import rests.

A subscription of five years has sixty invoices, and each would read all the others again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from common import rows
from connections.models import Connection, SyncRun, Underived

if TYPE_CHECKING:
    from connections.derived import Told

# A long import shows what it brought no later than this.
PATIENCE = timedelta(minutes=5)
_IMPORTING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING)


def mark(connection: Connection, subscriptions: set[str], told: Told) -> None:
    """Note subscriptions whose rows this transaction has locked."""
    rows.insert(
        [
            rows.made(Underived, connection_id=connection.pk, key=key, occurred_at=told.occurred_at, silent=told.silent)
            for key in sorted(subscriptions)
        ],
        conflict=_ONCE,
    )


_ONCE = """on conflict (connection_id, key) do update set
    silent = connections_underived.silent and excluded.silent,
    occurred_at = greatest(connections_underived.occurred_at, excluded.occurred_at)"""


def due() -> QuerySet[Underived]:
    """Those of accounts whose imports rest, and those that have waited long enough."""
    mine = {"resource__connection": OuterRef("connection")}
    importing = SyncRun.objects.imports().filter(state__in=_IMPORTING, **mine)
    connected = Underived.objects.filter(connection__in=Connection.objects.connected())
    return connected.exclude(Exists(importing), marked_at__gt=Now() - PATIENCE)
