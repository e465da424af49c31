"""Whether our clocks agree with Stripe's, which are right: a delivery that seems over five minutes old is refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db.models.functions import Now

from common.formats import took_text
from connections.models import Connection, ConnectionStatus

TOLERATED = timedelta(seconds=60)

# While it is wrong it is looked at again soon: for its end to show, and because deliveries may be refused meanwhile.
_NOTE = """
    update connections_connectionstatus as status set
        clock_ahead = seen.seconds,
        next_poll_at = case when abs(seen.seconds) > %(tolerated)s
            then least(next_poll_at, statement_timestamp() + interval '1 minute') else next_poll_at end
    from (select extract(epoch from statement_timestamp() - %(stripe)s::timestamptz)::int as seconds) as seen
    where status.connection_id = %(connection)s
"""


def note(connection: Connection, stripe_now: datetime) -> None:
    """Keep how far the database's clock is ahead of Stripe's, as an answer of Stripe's told."""
    values: dict[str, Any] = {"tolerated": TOLERATED.total_seconds(), "stripe": stripe_now, "connection": connection.pk}
    with database.cursor() as cursor:
        cursor.execute(_NOTE, values)


def wrong(ahead: Iterable[int | None], database_now: datetime | None) -> str:
    """Whose clock is wrong and by how much, in words; "" if none is by more than a minute.

    `ahead`: seconds the database's was ahead of Stripe's, by account. Ours is compared by way of the database's.
    """
    theirs = max((timedelta(seconds=seconds) for seconds in ahead if seconds is not None), key=abs, default=None)
    if theirs is None or database_now is None:
        return ""
    ours = datetime.now(UTC) - database_now + theirs
    return _words("This server’s clock", ours) or _words("The database’s clock", theirs)


def check() -> str:
    """For `/health/`: what is wrong, or "ok"."""
    statuses = ConnectionStatus.objects.filter(connection__state=Connection.State.ACTIVE)
    found = list(statuses.annotate(now=Now()).values_list("clock_ahead", "now"))
    return wrong((ahead for ahead, _ in found), found[0][1] if found else None) or "ok"


def _words(whose: str, ahead: timedelta) -> str:
    if abs(ahead) <= TOLERATED:
        return ""
    return f"{whose} is {took_text(abs(ahead))} {'ahead of' if ahead > timedelta(0) else 'behind'} Stripe’s"
