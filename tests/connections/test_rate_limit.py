"""The rate limit is one row a connection and list, from which every worker takes what may go out now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now

from connections import fetching, rate_limit, setup
from connections.models import Connection, RateBucket, RemoteObject, Resource
from sandbox.stripe import Sandbox, SandboxAccount
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(connect: Callable[..., Resource]) -> Connection:
    return Connection.objects.get(pk=connect("customer").connection_id)


def passes(seconds: float) -> None:
    """Let so much time pass for every bucket."""
    RateBucket.objects.update(refilled_at=F("refilled_at") - timedelta(seconds=seconds))


def test_a_seconds_worth_may_go_out_at_once_and_no_more(connection: Connection, settings: Any) -> None:
    settings.STRIPE_RATE_LIMIT = 0.01
    assert rate_limit.take(connection, "customers", 8) == 1
    assert rate_limit.take(connection, "customers", 8) == 0
    passes(100)
    assert rate_limit.take(connection, "customers", 8) == 1
    passes(100_000)
    assert rate_limit.take(connection, "customers", 8) == 1, "no more than one second's worth piles up"


def test_what_one_limit_refuses_is_not_lost_to_the_other(connection: Connection, settings: Any) -> None:
    """A live account has a limit in all and one a list: the stricter counts, and takes nothing from the other."""
    settings.STRIPE_RATE_LIMIT = None
    Connection.objects.update(is_test=False)
    connection.refresh_from_db()
    assert rate_limit.take(connection, "customers", 50) == 20
    left = RateBucket.objects.get(connection=connection, scope="all").tokens
    assert 29.5 < left < 50


def test_workers_share_the_tokens(connection: Connection, settings: Any) -> None:
    settings.STRIPE_RATE_LIMIT = 10
    taken: list[int] = []

    def ask() -> None:
        taken.append(rate_limit.take(connection, "customers", 3))
        database.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    refilled = 10 * (time.monotonic() - began)
    assert 10 <= sum(taken) <= 10 + refilled + 1
    assert RateBucket.objects.get().tokens >= 0


def test_a_lifted_limit_asks_nobody(
    connection: Connection, settings: Any, django_assert_num_queries: Callable[..., object]
) -> None:
    settings.STRIPE_RATE_LIMIT = 0
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        assert rate_limit.take(connection, "customers", 500) == 500


def test_a_clock_that_was_set_back_owes_nothing(connection: Connection, settings: Any) -> None:
    """What is there may go out, nothing is granted that is less than nothing, and the next second refills again."""
    settings.STRIPE_RATE_LIMIT = 2
    assert rate_limit.take(connection, "customers", 1) == 1
    passes(-3600)
    assert rate_limit.take(connection, "customers", 8) == 1
    passes(-3600)
    assert rate_limit.take(connection, "customers", 8) == 0
    assert rate_limit.wait_for(connection, "customers") == 0.5
    passes(1)
    assert rate_limit.take(connection, "customers", 8) == 2


def test_a_drain_under_way_asks_no_more_with_a_key_that_was_replaced(
    connection: Connection, account: SandboxAccount, stripe: Sandbox
) -> None:
    """Row 66: what is under way may end; the next request goes out with the new key, by whoever asks."""
    for number in range(6):
        customer = account.create_customer(email=f"c{number}@mill.example")["id"]
        RemoteObject.objects.create(connection=connection, type="customer", external_id=customer, wanted_at=Now())
    stripe.faults(path="/v1/customers/", latency=300, count=0)
    stripe.clear_requests()

    def drain() -> None:
        fetching.drain()
        database.close()

    thread = threading.Thread(target=drain)
    thread.start()
    eventually(lambda: stripe.requests("/v1/customers/"))
    new = account.new_key("secret", label="second")
    setup.replace_key(Connection.objects.get(), new)
    replaced = time.time()
    thread.join(30)
    stripe.clear_faults()
    fetching.drain()
    after = [asked["key"] for asked in stripe.requests("/v1/customers/") if asked["time"] > replaced]
    assert new in after and len(after) - after.count(new) <= 1
    assert not RemoteObject.objects.filter(body=None).exists()
