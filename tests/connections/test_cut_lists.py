"""Lists that Stripe embeds in part are read to their end: order items and amounts are complete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connections import fetching, inbox
from connections.models import InboundEvent, RemoteObject, Resource
from connections.sources.base import HeldObject
from connections.sources.stripe import cut_lists
from orders.models import Order, OrderItem
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

Connect = Callable[..., Resource]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PARTS = 23
NAMES = [f"Part {number:02}" for number in range(PARTS)]


def subscribe_to_many(account: SandboxAccount) -> dict[str, Any]:
    """A subscription of 23 prices, more than twice what Stripe embeds: 1.00, 1.01 … 1.22 EUR."""
    prices = []
    for number, name in enumerate(NAMES):
        product = account.play("add_product", name=name)
        price = account.play(
            "add_price", product=product["id"], currency="eur", unit_amount=100 + number, interval="month"
        )
        prices.append(price["id"])
    return account.subscribe(None, prices=prices, currency="eur")


TOTAL = sum(100 + number for number in range(PARTS))


def check_complete() -> None:
    row = RecurringPayment.objects.get()
    assert (row.quantity, row.payment_amount, row.mrr_amount) == (PARTS, TOTAL, TOTAL)
    assert row.line_item_names == NAMES
    for order in Order.objects.all():
        lines = OrderItem.objects.filter(order=order).order_by("position")
        assert [line.name for line in lines] == [f"1 × {name}" for name in NAMES]
        assert sum(line.amount for line in lines) == order.total == TOTAL


@pytest.mark.django_db(transaction=True)
class TestOverHttp:
    def test_invoice_and_subscription_by_webhooks(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        for kind in ("customer", "subscription", "invoice"):
            connect(kind)
        subscription = subscribe_to_many(account)
        stripe.deliver()
        stripe.clear_requests()
        inbox.drain()
        # The events are worked without asking anybody; what is missing is wished for.
        assert not stripe.requests("/v1/invoices/") and not stripe.requests("/v1/subscription_items")
        wished = RemoteObject.objects.filter(type__in=cut_lists.BY_KIND, wanted_at__isnull=False)
        assert sorted(wished.values_list("type", flat=True)) == ["invoice_lines", "subscription_items"]
        work()
        check_complete()
        assert Order.objects.count() == 1
        # Many events of one invoice: its lines were read once.
        assert len(stripe.requests("/v1/invoices/")) == len(stripe.requests("/v1/subscription_items")) == 1

        stripe.clear_requests()
        account.renew(subscription["id"])
        stripe.deliver()
        work()
        check_complete()
        assert Order.objects.count() == 2
        assert len(stripe.requests("/v1/invoices/")) == 1  # of the new invoice
        assert len(stripe.requests("/v1/subscription_items")) == 1  # the periods of all items have moved

        last = next(row for row in account.objects("product") if row["name"] == NAMES[-1])
        account.alter(last["id"], event="product.updated", name="Part Z")
        stripe.deliver()
        work()
        assert RecurringPayment.objects.get().line_item_names == [*NAMES[:-1], "Part Z"]
        assert not InboundEvent.objects.exclude(state__in=["done", "ignored"]).exists()

    def test_history(self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
        stripe.set_clock(-60)
        subscribe_to_many(account)
        stripe.set_clock(0)
        stripe.discard()
        for kind in ("customer", "subscription", "invoice"):
            connect(kind, sync="history_and_new")
        work()
        check_complete()

    def test_a_checkout_tells_its_items(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        """A028: events of a checkout leave its line items out."""
        connect("checkout_session")
        account.buy(email="ana@example.com", amount=700, currency="eur", product="Field guide", quantity=3)
        stripe.deliver()
        work()
        item = OrderItem.objects.get()
        assert (item.name, item.quantity, item.amount, item.order.total) == ("Field guide", 3, 2100, 2100)
        assert len(stripe.requests("/v1/checkout/sessions/")) == 1

    def test_a_checkout_of_many_items_from_history(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        prices = []
        for number, name in enumerate(NAMES):
            product = account.play("add_product", name=name)
            prices.append(account.play("add_price", product=product["id"], currency="eur", unit_amount=100 + number))
        stripe.set_clock(-60)
        account.buy(email="ana@example.com", currency="eur", prices=[price["id"] for price in prices])
        stripe.set_clock(0)
        stripe.discard()
        connect("checkout_session", sync="history_and_new")
        work()
        assert OrderItem.objects.count() == PARTS
        assert sum(item.amount for item in OrderItem.objects.all()) == Order.objects.get().total == TOTAL

    def test_lines_that_are_not_to_be_had_hold_up_nothing(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        connect("invoice")
        subscribe_to_many(account)
        stripe.deliver()
        inbox.drain()
        stripe.faults(path="/v1/invoices/", status=403, count=0)
        for _ in range(3):
            inbox.drain()
            fetching.drain()
        order = Order.objects.get()
        assert (order.total, order.items.count()) == (TOTAL, 10)
        assert len(stripe.requests("/v1/invoices/")) == 1
        assert not RemoteObject.objects.filter(wanted_at__isnull=False).exists()


def invoice(at: int, *ids: str, has_more: bool = True) -> HeldObject:
    lines = {"object": "list", "data": [{"id": one, "amount": 1} for one in ids], "has_more": has_more}
    return HeldObject("invoice", "in_1", NOW + timedelta(seconds=at), {"id": "in_1", "lines": lines})


def lines(at: int, *ids: str) -> HeldObject:
    data = [{"id": one, "amount": 1} for one in ids]
    return HeldObject("invoice_lines", "in_1", NOW + timedelta(seconds=at), {"id": "in_1", "data": data})


@pytest.mark.parametrize(
    ("owner", "whole", "outdated", "ids"),
    [
        (invoice(0, "a", "b"), lines(1, "a", "b", "c"), False, "abc"),
        (invoice(1, "a", "b"), lines(0, "a", "b", "c"), False, "abc"),  # older, but of the same lines
        (invoice(1, "a", "x"), lines(0, "a", "b", "c"), True, "ax"),  # the draft has changed since
        (invoice(0, "a", "x"), lines(1, "a", "b", "c"), False, "abc"),  # read later: that is how it is now
        (invoice(1, "a", "b"), lines(0, "a"), True, "ab"),
        (invoice(1, "a"), lines(0), True, "a"),
    ],
)
def test_an_older_list_counts_while_it_begins_the_same(
    owner: HeldObject, whole: HeldObject, outdated: bool, ids: str
) -> None:
    assert cut_lists.is_outdated(owner, whole) is outdated
    found = cut_lists.completed(owner, whole).body["lines"]
    assert "".join(row["id"] for row in found["data"]) == ids


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("invoice", {"lines": {"data": [], "has_more": True}}, "invoice_lines:x"),
        ("invoice", {"lines": {"data": [], "has_more": False}}, ""),
        ("invoice", {"lines": None}, ""),
        ("subscription", {"items": {"has_more": True}}, "subscription_items:x"),
        ("checkout_session", {"mode": "payment", "amount_total": 5}, "checkout_line_items:x"),
        ("checkout_session", {"mode": "payment", "amount_total": 5, "status": "open"}, ""),
        ("checkout_session", {"mode": "payment", "amount_total": 5, "invoice": "in_1"}, ""),
        ("checkout_session", {"mode": "payment", "amount_total": 0}, ""),
        ("checkout_session", {"mode": "subscription", "amount_total": 5}, ""),
        ("checkout_session", {"mode": "payment", "amount_total": 5, "line_items": {"data": [{}]}}, ""),
        ("customer", {"lines": {"has_more": True}}, ""),
    ],
)
def test_what_is_missing(kind: str, body: dict[str, Any], key: str) -> None:
    assert cut_lists.rest_key(kind, "x", body) == key
