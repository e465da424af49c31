"""Who changes an account waits for the batches under way, and the next batches wait for who changes it.

By PostgreSQL's lock manager, whose queue nobody passes. A lock of the row that overlapping batches share would go
from one to the next, and a page that wants to disconnect would wait until an import or a burst is over.
"""

from __future__ import annotations

from django.db import connection as database

from connections.models import Connection

_LOCK = 0x46656E63  # "Fenc"


def hold_together(connection_id: int) -> None:
    """Until the caller's transaction ends the account stays as it is read from now on. Batches hold it together."""
    _lock("pg_advisory_xact_lock_shared", connection_id)


def hold_alone(connection_id: int) -> Connection:
    """The account, held by nobody else until the caller's transaction ends: to disconnect it, change its key, its
    resources or how its objects are read. Connection.DoesNotExist if there is none.
    """
    _lock("pg_advisory_xact_lock", connection_id)
    return Connection.objects.select_for_update(no_key=True).get(pk=connection_id)


def _lock(function: str, connection_id: int) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", [_LOCK, connection_id])
