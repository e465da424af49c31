"""The card behind a recurring payment, and its price: what changes beside the subscription, without an event of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now

from connections.models import ConnectionStatus, Resource
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
OWN = {"default_payment_method": None}


def row() -> RecurringPayment:
    work()
    return RecurringPayment.objects.get()


def card() -> tuple[str, str, str]:
    found = row()
    return str(found.payment_method_expiration), found.payment_method_brand, found.payment_method_last4


def subscribed_without_card(account: SandboxAccount, **given: Any) -> dict[str, Any]:
    """A subscription that names no card, of a customer who has one since before anybody listened."""
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.play("add_card", customer=customer["id"], brand="visa", last4="4242", exp_month=8, exp_year=2031)
    subscription = account.subscribe(customer["id"], amount=900, currency="eur", **given)
    return account.alter(subscription["id"], **OWN)


def test_the_customers_card_that_nobody_told_of(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """Field 20, with new records only: read once, renewals cost nothing."""
    subscription = subscribed_without_card(account)
    stripe.discard()
    connect("subscription")
    account.renew(subscription["id"])
    stripe.deliver()
    assert card() == ("2031-08-01", "visa", "4242")
    stripe.clear_requests()
    account.renew(subscription["id"])
    stripe.deliver()
    assert card() == ("2031-08-01", "visa", "4242")
    assert not stripe.requests("/v1/payment_methods")


def with_a_card_of_old(account: SandboxAccount, place: str) -> dict[str, Any]:
    """The subscription, and the card: the default source of the customer or of the subscription."""
    subscription = subscribed_without_card(account)
    given = {"brand": "American Express", "last4": "0005", "exp_month": 3, "exp_year": 2030}
    source = account.play("add_source", customer=subscription["customer"], **given)
    if place == "subscription":
        account.alter(subscription["customer"], default_source=None)
        account.alter(subscription["id"], default_source=source["id"])
    else:
        settings = account.objects("customer")[0]["invoice_settings"] | OWN
        account.alter(subscription["customer"], invoice_settings=settings)
    return source


@pytest.mark.parametrize("place", ["customer", "subscription"])
def test_a_card_of_old(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None, place: str) -> None:
    """stripe.md 2.8: `default_source` is an id, of the customer or the subscription; a new expiry has its own event."""
    connect("subscription")
    source = with_a_card_of_old(account, place)
    stripe.discard()
    account.emit("customer.updated", account.objects("customer")[0])
    account.emit("customer.subscription.updated", account.objects("subscription")[0])
    stripe.deliver()
    assert card() == ("2030-03-01", "amex", "0005")
    account.alter(source["id"], event="customer.source.updated", exp_year=2033)
    stripe.deliver()
    assert card() == ("2033-03-01", "amex", "0005")


@pytest.mark.parametrize("may_read", [True, False])
def test_a_card_of_old_by_an_import(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None, may_read: bool
) -> None:
    """The list brings it along; a key that may not read it there asks for it as a payment method."""
    stripe.set_clock(-60)
    with_a_card_of_old(account, "customer")
    stripe.set_clock(0)
    stripe.discard()
    key = account.key if may_read else account.restricted_key(without=["rak_source_read", "rak_source_write"])
    connect("subscription", sync="history_and_new", key=key)
    assert card() == ("2030-03-01", "amex", "0005")
    assert bool(stripe.requests("/v1/payment_methods")) is not may_read


@pytest.mark.parametrize("version", ["2020-08-27", "2026-10-28.endive"])
def test_a_price_that_changed(stripe: Sandbox, connect: Connect, live_hook: None, version: str) -> None:
    """Fields 32 and 2.2: key and nickname of a price follow `price.updated`, which tells no subscription of it."""
    account = stripe.account("polled", local_webhooks=False, api_version=version)
    connect("subscription", key=account.key)
    account.subscribe(None, amount=900, currency="eur", product="Mill")
    found = row()
    assert (found.plan_name, found.line_item_skus) == ("Mill monthly", ["mill-eur-900-month-1"])
    account.play("update_price", price=found.price_id, nickname="Mill, new", lookup_key=None, metadata={"sku": "M-1"})
    ConnectionStatus.objects.update(next_poll_at=Now())
    found = row()
    assert (found.plan_name, found.line_item_skus) == ("Mill, new", ["M-1"])
    account.renew(found.store_recurring_payment_id)
    ConnectionStatus.objects.update(next_poll_at=Now())
    assert (row().plan_name, row().line_item_skus) == ("Mill, new", ["M-1"])
