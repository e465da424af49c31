"""A database connection that one busy statement has for itself: connected once, prepared once.

Django's pool is asked and its connection checked each time, and to read and plan a statement costs PostgreSQL as much
as a small one does (bench/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection as database
from psycopg import errors

_PATIENCE = 5
# Poolers before PgBouncer 1.21 hand each transaction to another session, where nothing is prepared, or something is.
_UNPREPARED = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement, errors.ProtocolViolation)
# A host that vanishes says no goodbye, and whoever writes holds up all other deliveries. Only over TCP.
_LIMITS = {"connect_timeout": _PATIENCE, "tcp_user_timeout": 15_000, "keepalives_idle": 15, "keepalives_interval": 5}
# What these say is of the statement, not of the server or its session.
_OWN_DOING = (psycopg.DataError, psycopg.IntegrityError, errors.DeadlockDetected, errors.SerializationFailure)


class Kept:
    """For one thread at a time, and for statements that may run twice: what finds its connection gone is repeated."""

    def __init__(self) -> None:
        self._line: psycopg.Connection[Any] | None = None
        self._prepares = True

    def execute(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """As `rows.execute`, and committed. Django's DatabaseError when it fails."""
        with database.wrap_database_errors:
            is_new = self._line is None or self._line.closed
            try:
                return self._run(statement, parameters)
            except _UNPREPARED:
                self._prepares = False
                self.close()
            except psycopg.Error as error:
                is_gone = not is_new and self._line is not None and self._line.closed
                if not isinstance(error, _OWN_DOING):
                    # After a failover it may be another server than one can write to.
                    self.close()
                if not is_gone:
                    raise
            return self._run(statement, parameters)

    def close(self) -> None:
        if self._line:
            self._line.close()
        self._line = None

    def _run(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        if self._line is None or self._line.closed:
            self._line = self._connected()
        with psycopg.Cursor(self._line) as cursor:
            cursor.execute(statement, parameters, prepare=self._prepares, binary=True)
            return cursor.fetchall() if cursor.description else []

    def _connected(self) -> psycopg.Connection[Any]:
        wanted = {**_LIMITS, **database.get_connection_params(), "autocommit": True}
        return psycopg.connect(**wanted | {"prepare_threshold": 0 if self._prepares else None})
