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
_UNPREPARED = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement)


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
            except psycopg.OperationalError:
                if is_new or self._line is None or not self._line.closed:
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
        wanted = {"connect_timeout": _PATIENCE, **database.get_connection_params(), "autocommit": True}
        return psycopg.connect(**wanted | {"prepare_threshold": 0 if self._prepares else None})
