"""Subscriptions as recurring payments: every field, every status, old shapes and new, through HTTP into PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connections import fetching, inbox
from connections.models import InboundEvent, Resource
from connections.sources.base import HeldObject
from connections.sources.stripe import recurring
from connections.sources.stripe.billing import Billing
from contacts.models import Activity, Contact
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

Connect = Callable[..., Resource]
FIXTURES = Path(__file__).parent.parent / "fixtures" / "stripe"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
START, END = 1_760_000_000, 1_762_678_400


def subscription(**changes: Any) -> dict[str, Any]:
    """An active monthly subscription of 29.00 EUR, in the pinned shape."""
    price = {
        "id": "price_1",
        "object": "price",
        "product": "prod_1",
        "unit_amount": 2900,
        "currency": "eur",
        "nickname": "Pro, monthly",
        "lookup_key": "PRO-M",
        "recurring": {"interval": "month", "interval_count": 1},
    }
    item = {"id": "si_1", "quantity": 1, "current_period_start": START, "current_period_end": END, "price": price}
    body = {
        "id": "sub_1",
        "object": "subscription",
        "status": "active",
        "customer": "cus_1",
        "currency": "eur",
        "created": START,
        "start_date": START,
        "billing_cycle_anchor": START,
        "items": {"object": "list", "data": [item]},
    }
    return body | changes


def held(body: dict[str, Any]) -> HeldObject:
    return HeldObject(body["object"].replace(".", "_"), body["id"], NOW, body, event_at=NOW)


def values(body: dict[str, Any], *around: dict[str, Any], **groups: Any) -> dict[str, Any]:
    objects = {f"{o.type}:{o.id}": o for o in map(held, around)}
    return recurring.values(
        Billing(held(body), objects, **{name: tuple(map(held, rows)) for name, rows in groups.items()})
    )


def invoice(**changes: Any) -> dict[str, Any]:
    line = {"pricing": {"price_details": {"price": "price_1"}}, "quantity": 1}
    return {
        "id": "in_1",
        "object": "invoice",
        "created": START,
        "status": "paid",
        "billing_reason": "subscription_create",
        "total": 3451,
        "total_taxes": [{"amount": 551}],
        "total_discount_amounts": [{"amount": 100}],
        "lines": {"data": [line]},
        "status_transitions": {"paid_at": START + 5},
        "parent": {"subscription_details": {"subscription": "sub_1"}},
    } | changes


@pytest.mark.parametrize(
    ("changes", "status", "comes"),
    [
        ({"status": "active"}, "ACTIVE", END),
        ({"status": "trialing", "trial_end": END + 9}, "ACTIVE", END + 9),
        ({"status": "past_due"}, "PAYMENT_FAILED", None),
        ({"status": "unpaid"}, "PAYMENT_FAILED", None),
        ({"status": "incomplete"}, "PENDING", None),
        ({"status": "incomplete_expired"}, "EXPIRED", None),
        ({"status": "paused"}, "PAUSED", None),
        ({"status": "canceled"}, "CANCELLED", None),
        ({"status": "active", "pause_collection": {"behavior": "void"}}, "PAUSED", None),
        ({"status": "past_due", "pause_collection": {"behavior": "void"}}, "PAUSED", None),
        ({"status": "canceled", "pause_collection": {"behavior": "void"}}, "CANCELLED", None),
        ({"status": "active", "cancel_at_period_end": True}, "ACTIVE", None),
        ({"status": "active", "cancel_at": END}, "ACTIVE", None),
        ({"status": "active", "cancel_at": END + 1}, "ACTIVE", END),
        ({"status": "something_new"}, "PENDING", END),
    ],
)
def test_every_status(changes: dict[str, Any], status: str, comes: int | None) -> None:
    """2.1 and the rule for the next payment."""
    found = values(subscription(**changes))
    assert found["normalized_status"] == status
    assert found["next_payment_date"] == (comes and datetime.fromtimestamp(comes, UTC))


def test_past_due_comes_at_its_next_attempt() -> None:
    failed = invoice(status="open", attempted=True, attempt_count=2, next_payment_attempt=END + 50)
    found = values(subscription(status="past_due", latest_invoice="in_1"), invoices=[failed])
    assert found["next_payment_date"] == datetime.fromtimestamp(END + 50, UTC)
    assert (found["last_payment_status"], found["failed_payment_count"]) == ("DECLINED", 2)


def test_every_field_of_a_full_subscription() -> None:
    """B034: all fields of section 2 that Stripe can fill."""
    customer = {
        "id": "cus_1",
        "object": "customer",
        "email": "ada@mill.example",
        "name": "Ada de la Cruz",
        "business_name": "Mill Ltd",
        "phone": "+44 1",
        "address": {"line1": "Home 1", "city": "Leeds", "country": "GB"},
        "shipping": {
            "name": "Ana María López",
            "phone": "+34 2",
            "address": {"line1": "C/ 1", "line2": "2º", "city": "Valencia", "state": "V", "country": "ES",
                        "postal_code": "46004"},
        },
        "invoice_settings": {"default_payment_method": "pm_1"},
    }  # fmt: skip
    method = {
        "id": "pm_1",
        "object": "payment_method",
        "card": {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2028},
        "billing_details": {"name": "Ada Payer", "email": "pay@mill.example", "phone": "+44 3", "address": None},
    }
    product = {
        "id": "prod_1",
        "object": "product",
        "name": "Pro plan",
        "metadata": {"category": "SaaS", "brand": "Mill", "tags": "pro, yearly"},
    }
    body = subscription(
        description="Founding member",
        metadata={"external_id": "ext-7"},
        latest_invoice="in_1",
        canceled_at=START + 60,
        cancel_at=START + 86_400 * 365,
        cancellation_details={"comment": "Too dear", "reason": "cancellation_requested", "feedback": "too_expensive"},
        discounts=[{"source": {"coupon": {"id": "co_1", "name": "Spring"}}}],
    )
    paid = invoice(shipping_cost={"amount_total": 400}, hosted_invoice_url="https://pay.example/i")
    session = {"id": "cs_1", "object": "checkout.session", "subscription": "sub_1", "created": START}
    found = values(body, customer, method, product, invoices=[paid], sessions=[session])
    moment = datetime.fromtimestamp
    expected = {
        "name": "Pro plan",
        "email": "ada@mill.example",
        "normalized_status": "ACTIVE",
        "store_status": "active",
        "store_customer_id": "cus_1",
        "billing_interval": "MONTHLY",
        "billing_interval_count": 1,
        "payment_amount": 3451,
        "discount_amount": 100,
        "tax_amount": 551,
        "shipping_amount": 400,
        "last_payment_status": "COMPLETED",
        "last_payment_date": moment(START + 5, UTC),
        "start_date": moment(START, UTC),
        "renewal_date": moment(END, UTC),
        "next_payment_date": moment(END, UTC),
        "anchor_date": moment(START, UTC),
        "cancelled_date": moment(START + 60, UTC),
        "payment_method_expiration": date(2028, 8, 1),
        "origin_order_id": "cs_1",
        "currency": "EUR",
        "store_created_date": moment(START, UTC),
        "store_modified_date": NOW,
        "is_trial": False,
        "cancel_at_period_end": True,
        "total_cycles": 12,
        "notes": ["Founding member", "Too dear"],
        "store_external_id": "ext-7",
        "line_item_categories": ["SaaS"],
        "line_item_names": ["Pro plan"],
        "line_item_skus": ["PRO-M"],
        "line_item_brands": ["Mill"],
        "line_item_tags": ["pro", "yearly"],
        "line_item_store_primary_ids": ["prod_1"],
        "shipping_first_name": "Ana",
        "shipping_last_name": "María López",
        "shipping_line1": "C/ 1",
        "shipping_line2": "2º",
        "shipping_line3": "",
        "shipping_city": "Valencia",
        "shipping_province": "V",
        "shipping_country": "ES",
        "shipping_postal_code": "46004",
        "shipping_phone": "+34 2",
        "shipping_company": "Mill Ltd",
        "shipping_email": "ada@mill.example",
        "billing_first_name": "Ada",
        "billing_last_name": "Payer",
        "billing_line1": "Home 1",
        "billing_city": "Leeds",
        "billing_country": "GB",
        "billing_phone": "+44 3",
        "billing_company": "Mill Ltd",
        "billing_email": "pay@mill.example",
        "discount_code": "Spring",
        "plan_name": "Pro, monthly",
        "payment_method_brand": "visa",
        "payment_method_last4": "4242",
        "latest_invoice_url": "https://pay.example/i",
        "cancellation_feedback": "too_expensive",
        "mrr_amount": 2900,
        "quantity": 1,
    }
    assert {key: found[key] for key in expected} == expected
    model = {field.name for field in RecurringPayment._meta.concrete_fields}
    assert set(found) <= model


def test_amounts_without_a_fitting_invoice_come_from_prices() -> None:
    """Several items and intervals, three and no decimals, tiered prices: the rule of the design."""
    two = subscription()
    second = json.loads(json.dumps(two["items"]["data"][0]))
    second.update(quantity=3, current_period_end=END - 100)
    second["price"] |= {"id": "price_2", "unit_amount": 500, "recurring": {"interval": "year", "interval_count": 1}}
    two["items"]["data"].append(second)
    found = values(two, invoices=[invoice()])
    assert (found["payment_amount"], found["quantity"]) == (2900 + 1500, 4)
    assert found["billing_interval"] == "YEARLY"  # the item that bills next
    assert found["mrr_amount"] == 2900 + round(1500 / 12)
    tiered = subscription()
    tiered["items"]["data"][0]["price"]["unit_amount"] = None
    assert values(tiered)["payment_amount"] is None
    assert values(tiered, invoices=[invoice(total=700)])["payment_amount"] == 700


@pytest.mark.parametrize(("returned", "status"), [(0, "COMPLETED"), (500, "PARTIALLY_REFUNDED"), (3451, "REFUNDED")])
def test_refunds_show_at_the_last_payment(returned: int, status: str) -> None:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "status": "succeeded",
        "amount": 3451,
        "amount_refunded": returned,
        "payment_intent": "pi_1",
        "created": START + 4,
    }
    payment = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "payment": {"payment_intent": "pi_1"}}
    found = values(
        subscription(latest_invoice="in_1"), invoices=[invoice()], charges=[charge], invoice_payments=[payment]
    )
    assert found["last_payment_status"] == status


@pytest.mark.parametrize("version", ["", "legacy/2020-08-27", "legacy/2022-11-15", "legacy/2025-01-27.acacia"])
def test_published_shapes_of_every_version(version: str) -> None:
    """stripe.md 2.4: periods, discounts and plans moved; nothing of an older shape is lost."""
    body = json.loads((FIXTURES / version / "subscription.json").read_text())
    body["status"] = "active"
    body["cancel_at"] = body["cancel_at_period_end"] = body["pause_collection"] = None
    for item in body["items"]["data"]:
        item.pop("current_period_end", None)
        if not version:
            item["current_period_end"] = END
        price = item.get("price") or item.get("plan")
        price["unit_amount"], price["recurring"] = 2000, {"interval": "month", "interval_count": 3}
    if version:
        body["current_period_end"] = END
    found = values(body)
    assert found["renewal_date"] == found["next_payment_date"] == datetime.fromtimestamp(END, UTC)
    assert (found["billing_interval"], found["billing_interval_count"]) == ("MONTHLY", 3)
    assert found["store_customer_id"] and found["currency"] == (body.get("currency") or price["currency"]).upper()[:3]


@pytest.mark.django_db(transaction=True)
class TestThroughTheSandbox:
    """The same by webhooks, polling and history."""

    def life(self, account: SandboxAccount, stripe: Sandbox) -> None:
        customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
        subscription = account.subscribe(customer["id"], amount=2900, currency="eur", product="Mill Pro")
        account.renew(subscription["id"])
        account.fail_payment(subscription["id"])
        account.recover(subscription["id"])
        account.cancel(subscription["id"], at_period_end=True)

    def test_a_life_by_webhooks(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        """A015 to A017 A021 A022 B001 B021: one row, with the contact, whatever happened."""
        connect("subscription")
        self.life(account, stripe)
        stripe.deliver()
        work()
        row = RecurringPayment.objects.get()
        assert row.contact == Contact.objects.get()
        assert (row.normalized_status, row.payment_amount, row.currency) == ("ACTIVE", 2900, "EUR")
        assert (row.name, row.last_payment_status, row.cancel_at_period_end) == ("Mill Pro", "COMPLETED", True)
        assert row.next_payment_date is None and row.payment_method_expiration
        kinds = list(Activity.objects.filter(kind__startswith="recurring").values_list("kind", flat=True))
        assert kinds.count("recurring_payment.created") == 1

    def test_customer_only_makes_no_recurring_payment(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        """A029."""
        connect("subscription")
        Resource.objects.update(data="customer_only")
        self.life(account, stripe)
        stripe.deliver()
        work()
        assert Contact.objects.exists() and not RecurringPayment.objects.exists()

    def test_history_is_the_same_and_silent(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        stripe.set_clock(-60)
        self.life(account, stripe)
        stripe.set_clock(0)
        stripe.discard()
        connect("subscription", sync="history_and_new")
        work()
        row = RecurringPayment.objects.get()
        assert (row.normalized_status, row.name, row.last_payment_status) == ("ACTIVE", "Mill Pro", "COMPLETED")
        assert row.payment_method_expiration and row.contact

    def test_renewals_cost_no_calls(
        self, account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
    ) -> None:
        """Issue 2, point 3: at most 20 calls to Stripe per 1,000 events once history has brought what is behind ids."""
        stripe.set_clock(-60)
        subscriptions = [account.subscribe(None, amount=900, currency="eur", product="Mill") for _ in range(20)]
        stripe.set_clock(0)
        stripe.discard()
        connect("subscription", sync="history_and_new")
        work()
        stripe.clear_requests()
        for subscription in subscriptions:
            account.renew(subscription["id"])
        events = len(stripe.deliver())
        for _ in range(3):
            inbox.drain()
            fetching.drain()
        calls = len(stripe.requests("/v1/"))
        assert events > 100 and calls * 1000 <= events * 20, f"{calls} calls for {events} events"
        assert not InboundEvent.objects.exclude(state__in=["done", "ignored"]).exists()
