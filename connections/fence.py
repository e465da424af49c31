"""Who changes an account waits for the batches under way, and the next batches wait for who changes it.

By PostgreSQL's lock manager, whose queue nobody passes. A lock of the row that overlapping batches share would go
from one to the next, and a page that wants to disconnect would wait until an import or a burst is over.
"""

from __future__ import annotations

from django.db import OperationalError
from django.db import connection as database

from connections.models import Connection
from connections.sources.base import SourceError

_LOCK = 0x46656E63  # "Fenc"
_LOCK_NOT_AVAILABLE = "55P03"


class Busy(SourceError):
    """A batch under way lasts longer than a session may wait for a lock. The caller's transaction is void."""

    def __init__(self) -> None:
        words = "A sync of this account is writing right now. Nothing is lost: try again in a moment."
        super().__init__(words, permanent=False, code="busy", retry_after=1.0)


def hold_together(connection_id: int) -> None:
    """Until the caller's transaction ends the account stays as it is read from now on. Batches hold it together."""
    _lock("pg_advisory_xact_lock_shared", connection_id)


def hold_alone(connection_id: int) -> Connection:
    """The account, held by nobody else until the caller's transaction ends: to disconnect it, change its key, its
    resources or how its objects are read. Connection.DoesNotExist if there is none; Busy.
    """
    try:
        _wait_no_longer_than_a_statement_may_take()
        _lock("pg_advisory_xact_lock", connection_id)
        return Connection.objects.select_for_update(no_key=True).get(pk=connection_id)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise Busy from error


def _wait_no_longer_than_a_statement_may_take() -> None:
    """Web processes end a statement after five seconds, which would not tell that it only waited. Commands have no
    limit of their own, and would wait as long as a batch hangs. For the rest of the transaction.
    """
    with database.cursor() as cursor:
        cursor.execute(_LIMIT, [OF_A_COMMAND])


# A batch takes a second or two; behind one that hangs a command says so in the end.
OF_A_COMMAND = "30s"
_LIMIT = """
    select set_config('lock_timeout', case when setting = '0' then %s else '4s' end, true)
    from pg_settings where name = 'lock_timeout' and (setting = '0' or setting::int > 4000)
"""


def _lock(function: str, connection_id: int) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", [_LOCK, connection_id])
