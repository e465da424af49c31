"""Any order and any duplication of a history of purchases, mixed with pages of history, ends in the same rows."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from common.origin import Origin
from connections import fetching, historical, inbox, setup, underived_pages
from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.sources.stripe import translate
from contacts.models import Activity, Contact, ContactTag
from orders.models import Order, OrderReference
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("customer", "charge", "subscription", "invoice", "checkout_session")
# A seed cannot be made simpler, so a failure is told at once instead of being tried again for minutes.
SHUFFLES = settings(deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
_OURS = {"id", "contact_id", "order_id", "created_at", "updated_at", "last_synced_at"}


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


def state() -> dict[str, Any]:
    """Every derived row, without what is only ours."""
    return {
        "contacts": sorted((c.email, c.first_name, c.last_name, c.phone) for c in Contact.objects.all()),
        "tags": sorted(ContactTag.objects.values_list("contact__email", "tag__name")),
        "recurring": [_plain(row) for row in RecurringPayment.objects.order_by("store_recurring_payment_id").values()],
        "payers": sorted(RecurringPayment.objects.values_list("store_recurring_payment_id", "contact__email")),
        "orders": [
            _plain(row) | {"items": [_plain(item) for item in Order(row["id"]).items.order_by("position").values()]}
            for row in Order.objects.order_by("external_id").values()
        ],
        "buyers": sorted(Order.objects.values_list("external_id", "contact__email")),
        "references": sorted(OrderReference.objects.values_list("reference", "order__external_id")),
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _OURS}


def forget() -> None:
    for model in (RecurringPayment, Order, Activity, SyncLogEntry, InboundEvent, RemoteObject, Contact):
        model.objects.all().delete()


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
    return state()


@pytest.fixture
def with_history(ordered: dict[str, Any]) -> dict[str, Any]:
    """The rows after the events in their order and then every list."""
    for kind in KINDS:
        read_history(Connection.objects.get(), kind)
    underived_pages.drain()
    return state()


def read_history(connection: Connection, kind: str) -> None:
    historical.start(connection.resources.get(kind=kind), until=setup.stripe_time(connection))
    historical.drain()


def test_the_ordered_history_says_what_happened(ordered: dict[str, Any]) -> None:
    """One purchase is one order: three invoices, two checkouts, two charges."""
    assert len(ordered["recurring"]) == 1
    statuses = sorted(order["status"] for order in ordered["orders"])
    assert statuses == ["disputed", "paid", "paid", "paid", "paid", "partially_refunded", "pending"]
    assert [email for email, *_ in ordered["contacts"]] == ["ada@mill.example", "guest@mill.example"]


@settings(SHUFFLES, max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_any_order_and_duplication_of_events(ordered: dict[str, Any], account: SandboxAccount, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    events = [json.dumps(event).encode() for event in account.events()]
    mixed = events + chance.sample(events, len(events) // 2)
    chance.shuffle(mixed)
    forget()
    receive(Connection.objects.get(), mixed, chance)
    assert state() == ordered


@settings(SHUFFLES, max_examples=2)
@given(seed=st.integers(0, 2**32))
def test_history_pages_in_between(with_history: dict[str, Any], account: SandboxAccount, seed: int) -> None:
    """Lists bring more than events do (the lines of a checkout), so the ordered run reads them too."""
    chance = random.Random(seed)  # noqa: S311
    events = [json.dumps(event).encode() for event in account.events()]
    chance.shuffle(events)
    forget()
    connection = Connection.objects.get()
    for kind in chance.sample(KINDS, len(KINDS)):
        cut = len(events) // 6
        receive(connection, events[:cut], chance)
        events = events[cut:]
        read_history(connection, kind)
        if chance.random() < 0.5:
            underived_pages.drain()
    receive(connection, events, chance)
    underived_pages.drain()
    assert state() == with_history


def test_four_workers_at_once(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> None:
    """Workers that hold different parts of one purchase or subscription at the same moment lose neither."""
    for kind in KINDS:
        connect(kind)
    for _ in range(3):
        happened(account)
    stripe.deliver()
    work()
    ordered = state()
    forget()
    connection = Connection.objects.get()
    for event in account.events():
        body = json.dumps(event).encode()
        inbox.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    threads = [threading.Thread(target=_work_a_few_at_a_time) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    work()
    assert state() == ordered


def _work_a_few_at_a_time() -> None:
    while events := InboundEvent.objects.claim(3):
        for event in events:
            inbox.work([event])
    database.close()


def receive(connection: Connection, bodies: list[bytes], chance: random.Random) -> None:
    """Store and work the events in batches of uneven size."""
    while bodies:
        size = chance.randint(1, 9)
        for body in bodies[:size]:
            inbox.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
        bodies = bodies[size:]
        inbox.drain()
        fetching.drain()
    work()
