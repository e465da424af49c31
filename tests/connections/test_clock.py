"""Row 12: a clock that is wrong is told as such, on the page, beside Apps and at `/health/`, until it is right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client

from connections import polling
from connections.models import Connection, ConnectionStatus, Resource
from sandbox.stripe import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(live_hook: None, connect: Callable[..., Resource]) -> Connection:
    connection = connect("customer").connection
    polling.poll(connection)
    return Connection.objects.get(pk=connection.pk)


def told(anybody: Client, client: Client) -> tuple[str, bool, bool]:
    """What /health/ says of the clock; whether the page has a banner, and whether Apps is marked."""
    page = client.get("/apps/stripe/").content.decode()
    marked = "count--attention" in client.get("/contacts/").content.decode()
    return anybody.get("/health/").json()["checks"]["clock"], "set by NTP" in page, marked


def test_a_clock_that_goes_wrong_is_told_until_it_is_right(
    connection: Connection, stripe: Sandbox, anybody: Client, marketer_client: Client
) -> None:
    assert told(anybody, marketer_client) == ("ok", False, False)
    for offset, words in ((-360, "6 min ahead of Stripe’s"), (180, "3 min behind Stripe’s")):
        stripe.set_clock(offset)
        ConnectionStatus.objects.update(next_poll_at=Now())
        polling.drain()
        state, *shown = told(anybody, marketer_client)
        assert state == f"This server’s clock is {words}"
        assert shown == [True, True]
        # It is looked at again soon, though a webhook brings the events.
        assert ConnectionStatus.objects.filter(next_poll_at__lte=Now() + timedelta(seconds=61)).exists()
    stripe.set_clock(0)
    polling.poll(connection)
    assert told(anybody, marketer_client) == ("ok", False, False)


def test_the_clock_of_the_web_alone_is_wrong(connection: Connection, anybody: Client, marketer_client: Client) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        assert told(anybody, marketer_client) == ("This server’s clock is 6 min ahead of Stripe’s", True, True)
    ConnectionStatus.objects.update(clock_ahead=360)
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=6)):
        assert told(anybody, marketer_client) == ("The database’s clock is 6 min ahead of Stripe’s", True, True)


def test_processes_of_the_version_before_go_on(connect: Callable[..., Resource]) -> None:
    """Row 47: while a new version is put in place, the old one makes rows without the columns it does not know."""
    connect("customer")
    new = {"clock_ahead", "poll_error", "poll_moved_at"}
    columns = ", ".join(f.column for f in ConnectionStatus._meta.concrete_fields if f.column not in new)
    with database.cursor() as cursor:
        cursor.execute(
            "create temporary table before on commit drop as select * from connections_connectionstatus;"
            "delete from connections_connectionstatus;"
            f"insert into connections_connectionstatus ({columns}) select {columns} from before"
        )
    status = ConnectionStatus.objects.get()
    assert (status.clock_ahead, status.poll_error) == (0, "")
