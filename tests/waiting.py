"""Waiting for what other processes do, without guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, timeout: float = 60.0, what: str = "") -> T:
    """The first true value of `condition`, asked again and again; AssertionError after `timeout` seconds."""
    give_up = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < give_up, f"still not so after {timeout} s: {what or _named(condition)}"
        time.sleep(0.05)
    return value


def somebody_waits_for_a_lock() -> bool:
    """Does a session of this test's own database wait for an advisory lock? Others of the cluster have theirs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists(select from pg_locks where locktype = 'advisory' and not granted "
            "and database = (select oid from pg_database where datname = current_database()))"
        )
        return bool(cursor.fetchone()[0])


def _named(condition: Callable[[], object]) -> str:
    return getattr(condition, "__name__", None) or str(condition)
