"""Purchases at Stripe, over HTTP: what the buyer did is one order on the contact, whatever told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from connections.models import Resource, SyncLogEntry
from contacts.models import Activity, Contact
from orders.export import order_rows
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import account, connect, deliver, live_hook, stripe, work  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
ALL = ("customer", "charge", "invoice", "checkout_session")


@pytest.fixture
def everything(connect: Connect, live_hook: None) -> None:  # noqa: F811
    for kind in ALL:
        connect(kind)


def kinds() -> list[str]:
    found = Activity.objects.filter(kind__startswith="order.").order_by("kind")
    return list(found.values_list("kind", flat=True))


def test_a_subscription_invoice_with_its_payment_is_one_order(
    everything: None,
    account: SandboxAccount,  # noqa: F811
    deliver: Deliver,  # noqa: F811
) -> None:
    """A007"""
    customer = account.create_customer(email="ana@example.com", name="Ana López")
    account.subscribe(customer["id"], amount=4900, currency="eur", product="Pro plan")
    deliver()
    order = Order.objects.get()
    assert order.contact == Contact.objects.get(email="ana@example.com")
    assert order.external_id == account.objects("invoice")[0]["id"]
    assert (order.status, order.total, order.currency, order.refunded) == ("paid", 4900, "EUR", 0)
    assert {reference.reference.partition(":")[0] for reference in order.references.all()} >= {"invoice", "charge"}
    assert kinds() == ["order.created", "order.paid"]


def test_a_guest_purchase_is_one_order_of_a_contact(
    everything: None,
    account: SandboxAccount,  # noqa: F811
    deliver: Deliver,  # noqa: F811
) -> None:
    account.buy(email="guest@example.com", name="Gus van Til", amount=4200, currency="jpy")
    deliver()
    [row] = order_rows()
    assert (row["contact_email"], row["total"], row["currency"], row["status"]) == (
        "guest@example.com",
        "4200",
        "JPY",
        "paid",
    )


@pytest.mark.parametrize(("paid", "expected"), [(True, "paid"), (False, "failed")])
def test_a_delayed_payment_is_pending_until_it_came_or_failed(
    connect: Connect,  # noqa: F811
    live_hook: None,  # noqa: F811
    account: SandboxAccount,  # noqa: F811
    deliver: Deliver,  # noqa: F811
    paid: bool,
    expected: str,
) -> None:
    """A025: with the resource Checkout Session alone."""
    connect("checkout_session")
    session = account.buy(email="ana@example.com", amount=4900, currency="eur", delayed=True)
    deliver()
    assert Order.objects.get().status == "pending"
    account.play("settle_session", session=session["id"], paid=paid)
    deliver()
    assert Order.objects.get().status == expected


def test_refunds_and_a_dispute_reach_the_order_and_its_timeline(
    everything: None,
    account: SandboxAccount,  # noqa: F811
    deliver: Deliver,  # noqa: F811
) -> None:
    customer = account.create_customer(email="ana@example.com")
    charge = account.charge(customer["id"], amount=5000, currency="eur", description="Workshop")
    deliver()
    seen = [Order.objects.get().status]
    for amount in (1000, 4000):
        account.refund(charge["id"], amount=amount)
        deliver()
        seen.append(Order.objects.get().status)
    account.dispute(account.charge(customer["id"], amount=900, currency="eur")["id"])
    deliver()
    assert seen == ["paid", "partially_refunded", "refunded"]
    assert sorted(Order.objects.values_list("status", "refunded")) == [("disputed", 0), ("refunded", 5000)]
    assert kinds().count("order.refunded") == 2 and kinds().count("order.disputed") == 1


@pytest.mark.parametrize("batches", [2, 1], ids=["told days later", "all at once"])
def test_a_refund_that_fails_later_leaves_the_order_paid(
    everything: None,
    connect: Connect,  # noqa: F811
    account: SandboxAccount,  # noqa: F811
    deliver: Deliver,  # noqa: F811
    batches: int,
) -> None:
    """Stripe tells of the refund alone; order, recurring payment and timeline are right again."""
    connect("subscription")
    customer = account.create_customer(email="ana@example.com")
    account.subscribe(customer["id"], amount=5000, currency="eur", product="Pro plan")
    deliver()
    [charge] = account.objects("charge")
    account.refund(charge["id"], amount=1000)
    refund = account.refund(charge["id"], amount=4000)
    if batches == 2:
        deliver()
        assert (Order.objects.get().status, Order.objects.get().refunded) == ("refunded", 5000)
        assert RecurringPayment.objects.get().last_payment_status == "REFUNDED"
    account.play("fail_refund", refund=refund["id"])
    deliver()
    assert (Order.objects.get().status, Order.objects.get().refunded) == ("partially_refunded", 1000)
    assert RecurringPayment.objects.get().last_payment_status == "PARTIALLY_REFUNDED"
    told = list(Activity.objects.filter(kind="order.refund_failed").values_list("summary", flat=True))
    assert told == (["Order of 50.00 EUR: refund of 40.00 EUR failed"] if batches == 2 else [])
    assert kinds().count("order.refunded") == 1
    # Given back once more, and in vain once more: both are news, though the sums are the same.
    again = account.refund(charge["id"], amount=4000)
    deliver()
    account.play("fail_refund", refund=again["id"])
    deliver()
    assert Order.objects.get().refunded == 1000
    assert (kinds().count("order.refunded"), kinds().count("order.refund_failed")) == (2, batches)
    assert not SyncLogEntry.objects.filter(event_type__startswith="refund.").exists()


def test_history_brings_orders_without_starting_automations(
    connect: Connect,  # noqa: F811
    stripe: Sandbox,  # noqa: F811
    account: SandboxAccount,  # noqa: F811
) -> None:
    before = int(time.time()) - 86_400
    customer = account.create_customer(email="ana@example.com", at=before)
    account.charge(customer["id"], amount=5000, currency="eur", at=before)
    account.subscribe(customer["id"], amount=4900, currency="eur", at=before)
    account.buy(email="guest@example.com", amount=700, currency="eur", at=before)
    for kind in ALL:
        connect(kind, sync="history_and_new")
    work()
    assert sorted(Order.objects.values_list("total", "status")) == [(700, "paid"), (4900, "paid"), (5000, "paid")]
    assert not Activity.objects.filter(kind__startswith="order.", dispatched_at=None).exists()


def test_a_payment_that_failed_is_no_purchase_of_its_own(
    everything: None,
    account: SandboxAccount,  # noqa: F811
    stripe: Sandbox,  # noqa: F811
    deliver: Deliver,  # noqa: F811
) -> None:
    """A007: no event ties a failed charge to its invoice, so the invoice's payments are read, once."""
    subscription = account.subscribe(account.create_customer(email="ana@example.com")["id"], amount=4900, paid=False)
    deliver()
    [order] = Order.objects.all()
    assert (order.status, order.total) == ("pending", 4900)
    assert f"charge:{account.objects('charge')[0]['id']}" in order.references.values_list("reference", flat=True)
    account.fail_payment(subscription["id"])
    account.fail_payment(subscription["id"])
    deliver()
    assert len(stripe.requests("/v1/invoice_payments")) == 1
    account.recover(subscription["id"])
    deliver()
    assert list(Order.objects.values_list("status", "total")) == [("paid", 4900)]
