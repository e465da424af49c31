"""What a long history of purchases ends in, in its own order and worked by several workers at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database

from common.origin import Origin
from connections import inbox, stored_events
from connections.models import Connection, InboundEvent, Resource
from connections.sources.stripe import translate
from connections.sources.stripe.client import API_VERSION
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.test_any_story import forget, receive, state

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("customer", "charge", "subscription", "invoice", "checkout_session")


def happened(account: SandboxAccount) -> None:
    """A subscription that fails and recovers, purchases with and without customer, a refund, a dispute."""
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller", phone="1")
    coupon = account.play("add_coupon", percent_off=10, duration="forever", name="Friends")["id"]
    subscription = account.subscribe(customer["id"], amount=2900, currency="eur", product="Mill Pro", coupon=coupon)
    account.play("update_price", price=subscription["items"]["data"][0]["price"]["id"], nickname="Mill Pro, new")
    account.renew(subscription["id"])
    account.fail_payment(subscription["id"])
    account.update_customer(customer["id"], phone="2")
    account.recover(subscription["id"])
    account.buy(email="guest@mill.example", name="Gus van Til", amount=4200, currency="jpy")
    account.buy(customer=customer["id"], amount=700, currency="eur", delayed=True)
    charge = account.charge(customer["id"], amount=5000, currency="eur")
    account.refund(charge["id"], amount=1000)
    account.dispute(account.charge(customer["id"], amount=900, currency="eur")["id"])
    account.cancel(subscription["id"], at_period_end=True)


@pytest.fixture
def ordered(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> dict[str, Any]:
    """The rows that the events make in their own order."""
    for kind in KINDS:
        connect(kind)
    happened(account)
    stripe.deliver()
    work()
    return state(API_VERSION)


def test_the_ordered_history_says_what_happened(ordered: dict[str, Any]) -> None:
    """One purchase is one order: three invoices, two checkouts, two charges."""
    assert len(ordered["recurring"]) == 1
    statuses = sorted(order["status"] for order in ordered["orders"])
    assert statuses == ["disputed", "paid", "paid", "paid", "paid", "partially_refunded", "pending"]
    assert [email for email, *_ in ordered["contacts"]] == ["ada@mill.example", "guest@mill.example"]


def test_four_workers_at_once(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> None:
    """Workers that hold different parts of one purchase or subscription at the same moment lose neither."""
    for kind in KINDS:
        connect(kind)
    for _ in range(2):
        happened(account)
    stripe.discard()
    connection = Connection.objects.get()
    events = [json.dumps(event).encode() for event in account.events()]
    receive(connection, [events])
    ordered = state(API_VERSION)
    forget()
    for body in events:
        stored_events.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    threads = [threading.Thread(target=_work_a_few_at_a_time) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    work()
    assert state(API_VERSION) == ordered


def _work_a_few_at_a_time() -> None:
    while events := InboundEvent.objects.claim(3):
        for event in events:
            inbox.work([event])
    database.close()
