"""How fast we ask a source. The limit is the merchant's and shared with their checkout, so we stay well below it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now

from connections.models import Connection, ConnectionStatus

LIVE_IN_ALL, LIVE_PER_LIST, TEST_IN_ALL = 50.0, 20.0, 10.0

# Refills by the time that passed, up to one second's worth, and takes one if there is one. Returns what is left.
_TAKE = """
    insert into connections_ratebucket as bucket (connection_id, scope, tokens, refilled_at)
    values (%(connection)s, %(scope)s, %(burst)s - 1, clock_timestamp())
    on conflict (connection_id, scope) do update set
        tokens = least(%(burst)s, bucket.tokens
                       + %(rate)s * extract(epoch from clock_timestamp() - bucket.refilled_at)) - 1,
        refilled_at = clock_timestamp()
    where least(%(burst)s, bucket.tokens
                + %(rate)s * extract(epoch from clock_timestamp() - bucket.refilled_at)) >= 1
    returning tokens
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
    for name, rate in limits(connection, scope).items():
        # One second's worth; at a rate below one a second that would never hold a whole one.
        burst = max(1.0, rate)
        with database.cursor() as cursor:
            cursor.execute(_TAKE, {"connection": connection.pk, "scope": name, "rate": rate, "burst": burst})
            if cursor.fetchone() is None:
                return 1 / rate
    return 0.0


def throttle(connection: Connection, seconds: float) -> None:
    """The source asked us to wait: nothing goes out on this connection until then."""
    ConnectionStatus.objects.filter(connection=connection).update(throttled_until=Now() + timedelta(seconds=seconds))


def throttled(connection: Connection) -> bool:
    return ConnectionStatus.objects.filter(connection=connection, throttled_until__gt=Now()).exists()


def count_call(connection: Connection) -> None:
    ConnectionStatus.objects.filter(connection=connection).update(calls=F("calls") + 1)
