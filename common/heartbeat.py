"""Signs of life: when somebody last worked a queue. Written after work, as a process that lives may do nothing."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import connection

EVERY = 10.0
_written: dict[str, float] = {}

_BEAT = """
    insert into common_heartbeat (queue, at) values (%s, clock_timestamp())
    on conflict (queue) do update set at = excluded.at
"""

# Seconds for which nobody has looked, for a statement that asks something else anyway.
SILENCE = "select extract(epoch from clock_timestamp() - at) from common_heartbeat where queue = %s"


def beat(queue: str) -> None:
    """A queue was looked at just now. Written at most every ten seconds by each process."""
    now = time.monotonic()
    if now - _written.get(queue, -EVERY) < EVERY:
        return
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, [queue])
    _written[queue] = now


def silence(queue: str) -> timedelta | None:
    """How long nobody has looked at a queue, by the database's clock. None if nobody ever has."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp() - at from common_heartbeat where queue = %s", [queue])
        row = cursor.fetchone()
    return row[0] if row else None
