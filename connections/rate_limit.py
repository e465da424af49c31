"""How fast we ask a source. The limit is the merchant's and shared with their checkout, so we stay well below it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now

from connections.models import Connection, ConnectionStatus, RateBucket

LIVE_IN_ALL, LIVE_PER_LIST, TEST_IN_ALL = 50.0, 20.0, 10.0

# Refills by the time that passed, up to one second's worth, and takes as many whole tokens as are wanted and there.
# A clock that was set back neither refills nor takes away: it is counted from anew.
_TAKE = """
    update connections_ratebucket as bucket
    set tokens = seen.tokens - least(%(wanted)s, floor(seen.tokens)), refilled_at = seen.moment
    from (
        select id, clock_timestamp() as moment, greatest(0, least(%(burst)s,
            tokens + %(rate)s * greatest(0, extract(epoch from clock_timestamp() - refilled_at)))) as tokens
        from connections_ratebucket where connection_id = %(connection)s and scope = %(scope)s for update
    ) as seen
    where bucket.id = seen.id
    returning least(%(wanted)s, floor(seen.tokens))
"""
_FILL = """
    insert into connections_ratebucket (connection_id, scope, tokens, refilled_at)
    values (%(connection)s, %(scope)s, %(burst)s, clock_timestamp()) on conflict (connection_id, scope) do nothing
"""


def limits(connection: Connection, scope: str) -> dict[str, float]:
    """Requests a second by scope ("all", and the kind of list). Empty when the limit is lifted."""
    if settings.STRIPE_RATE_LIMIT is not None:
        return {"all": settings.STRIPE_RATE_LIMIT} if settings.STRIPE_RATE_LIMIT > 0 else {}
    if connection.is_test:
        return {"all": TEST_IN_ALL}
    return {"all": LIVE_IN_ALL, scope: LIVE_PER_LIST}


def wait_for(connection: Connection, scope: str) -> float:
    """Take one request now. 0 if it may go out, else seconds after which to ask again."""
    return 0.0 if take(connection, scope, 1) else pause(connection, scope)


def pause(connection: Connection, scope: str) -> float:
    """Seconds until one more request may go out, at most."""
    return 1 / min(limits(connection, scope).values())


def take(connection: Connection, scope: str, wanted: int) -> int:
    """Take up to so many requests now, of every limit alike; how many may go out."""
    taken: dict[str, int] = {}
    for name, rate in limits(connection, scope).items():
        taken[name] = _take(connection, name, rate, min([wanted, *taken.values()]))
    granted = min([wanted, *taken.values()])
    for name, count in taken.items():
        if count > granted:
            RateBucket.objects.filter(connection=connection, scope=name).update(tokens=F("tokens") + count - granted)
    return granted


def _take(connection: Connection, scope: str, rate: float, wanted: int) -> int:
    # One second's worth; at a rate below one a second that would never hold a whole one.
    values: dict[str, Any] = {
        "connection": connection.pk,
        "scope": scope,
        "rate": rate,
        "burst": max(1.0, rate),
        "wanted": wanted,
    }
    with database.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if (row := cursor.fetchone()) is None:
            cursor.execute(_FILL, values)
            cursor.execute(_TAKE, values)
            row = cursor.fetchone()
    return int(row[0]) if row else 0


def throttle(connection: Connection, seconds: float) -> None:
    """The source asked us to wait: nothing goes out on this connection until then."""
    ConnectionStatus.objects.filter(connection=connection).update(throttled_until=Now() + timedelta(seconds=seconds))


def throttled(connection: Connection) -> bool:
    return ConnectionStatus.objects.filter(connection=connection, throttled_until__gt=Now()).exists()


def count_calls(connection: Connection, count: int) -> bool:
    """Count requests that go out now. False if the account was re-keyed or disconnected since `connection` was read."""
    with database.cursor() as cursor:
        cursor.execute(_COUNT, [count, connection.pk])
        row = cursor.fetchone()
    return row is None or row[0] == connection.epoch


_COUNT = """
    update connections_connectionstatus as status set calls = calls + %s
    from connections_connection as here
    where here.id = status.connection_id and status.connection_id = %s returning here.epoch
"""
