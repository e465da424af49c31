"""The discount of a recurring payment, however Stripe tells of it: ids, one inside, on the customer, or not at all."""

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
PINNED = "2026-10-28.endive"
VERSIONS = ("2020-08-27", "2024-06-20", "2025-01-27.acacia", "2025-06-30.basil", PINNED)


def subscribe(account: SandboxAccount, *, name: str | None = "Spring", **given: Any) -> dict[str, Any]:
    coupon = account.play("add_coupon", percent_off=25, duration="forever", name=name)
    return account.subscribe(None, amount=2000, currency="eur", coupon=coupon["id"], **given)


def codes() -> list[str]:
    work()
    return list(RecurringPayment.objects.order_by("store_created_date", "pk").values_list("discount_code", flat=True))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_code_by_events(stripe: Sandbox, connect: Connect, live_hook: None, version: str) -> None:
    """2.2: the coupon's name, or its id where it has none."""
    # An account that is polled tells its events in its own version.
    account = stripe.account("polled", local_webhooks=False, api_version=version)
    connect("subscription", key=account.key)
    subscribe(account)
    bare = subscribe(account, name=None)
    coupon = account.objects("discount")[0]["source"]["coupon"]
    assert sorted(codes()) == sorted(["Spring", coupon])
    account.alter(bare["id"], event="customer.subscription.updated", discounts=[])
    ConnectionStatus.objects.update(next_poll_at=Now())
    assert sorted(codes()) == ["", "Spring"]


def test_the_code_by_an_import(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
    stripe.set_clock(-60)
    subscribe(account)
    stripe.set_clock(0)
    stripe.discard()
    connect("subscription", sync="history_and_new")
    assert codes() == ["Spring"]
    assert not stripe.requests("/v1/coupons"), "the list brings it along"


def test_a_discount_nobody_told_of_is_read_from_its_subscription(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    connect("subscription")
    subscription = subscribe(account)
    stripe.discard()
    account.alter(subscription["id"], event="customer.subscription.updated", metadata={"seen": "yes"})
    stripe.deliver()
    assert codes() == ["Spring"]
    account.renew(subscription["id"])
    stripe.clear_requests()
    stripe.deliver()
    assert codes() == ["Spring"] and not stripe.requests("/v1/")


def test_a_customers_discount_counts_where_the_subscription_has_none(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    connect("subscription")
    coupon = account.play("add_coupon", percent_off=10, duration="forever", name="Friends")
    customer = account.create_customer(email="ada@mill.example")
    discount = {"id": "di_of_customer", "object": "discount", "source": {"type": "coupon", "coupon": coupon["id"]}}
    account.alter(customer["id"], event="customer.updated", discount=discount)
    account.subscribe(customer["id"], amount=2000, currency="eur")
    stripe.deliver()
    assert codes() == ["Friends"]


def test_a_coupon_with_another_name(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    connect("subscription")
    subscribe(account)
    stripe.deliver()
    assert codes() == ["Spring"]
    account.alter(account.objects("coupon")[0]["id"], event="coupon.updated", name="Summer")
    stripe.deliver()
    assert codes() == ["Summer"]


def test_a_key_that_may_not_read_coupons_imports_all_the_rest(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """The right was not asked for when the key was made, and an account without subscriptions does not show it."""
    key = account.restricted_key(without=["rak_coupon_read", "rak_coupon_write"])
    connect("customer", key=key)
    stripe.set_clock(-60)
    subscribe(account)
    stripe.set_clock(0)
    stripe.discard()
    connect("subscription", sync="history_and_new")
    assert codes() == [""]
    assert RecurringPayment.objects.get().payment_amount == 1500
