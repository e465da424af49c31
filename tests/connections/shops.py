"""A shop at Stripe whose clock the test sets: what happens there, its webhooks, and the rows they end in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connections.models import InboundEvent, Resource
from recurring_payments.fields import FIELDS
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

BEGAN = datetime(2026, 1, 31, 10, tzinfo=UTC)
ADDRESS = {"line1": "C/ 1", "line2": "2º", "city": "Valencia", "state": "V", "country": "ES", "postal_code": "46004"}
ADA = {
    "email": "ada@mill.example",
    "name": "Ada Miller",
    "business_name": "Mill Ltd",
    "phone": "+44 1",
    "address": {"line1": "Home 1", "city": "Leeds", "country": "GB"},
    "shipping": {"name": "Ana María López", "phone": "+34 2", "address": ADDRESS},
}
PAYER = {
    "name": "Ada de la Cruz",
    "email": "pay@mill.example",
    "phone": "+44 3",
    "address": {"line1": "Bank 1", "line2": "Floor 3", "city": "York", "state": "NY", "country": "GB",
                "postal_code": "YO1"},
}  # fmt: skip

# Every field of a recurring payment but the one that only says when we last looked.
COMPARED = tuple(field.key for field in FIELDS if field.key != "last_synced_at")


@dataclass(frozen=True)
class Shop:
    """`version`: the API version in which its events are rendered."""

    stripe: Sandbox
    account: SandboxAccount
    version: str

    def play(self, moment: datetime, scenario: str, **given: Any) -> dict[str, Any]:
        """Let something happen at a moment, which is the present from then on."""
        self.set_clock(moment)
        return self.account.play(scenario, at=int(moment.timestamp()), **given)

    def set_clock(self, moment: datetime) -> None:
        self.stripe.set_clock(int(moment.timestamp() - time.time()) + 1)

    def deliver(self) -> None:
        """Send what waits by signed webhooks and work it."""
        attempts = self.stripe.deliver()
        assert attempts and {attempt["status"] for attempt in attempts} == {200}
        work()
        states = set(InboundEvent.objects.values_list("state", "api_version").distinct())
        assert states <= {("done", self.version), ("ignored", self.version)}, states

    def row(self, subscription: dict[str, Any]) -> dict[str, Any]:
        """Every field of the recurring payment that the subscription became."""
        return RecurringPayment.objects.values(*COMPARED).get(store_recurring_payment_id=subscription["id"])

    def newest(self, kind: str) -> dict[str, Any]:
        return self.account.objects(kind)[0]


def differing(found: dict[str, Any], stated: dict[str, Any]) -> dict[str, Any]:
    """Field -> (found, stated) where a row is not as stated. Every field must be stated."""
    assert found.keys() == stated.keys()
    return {name: (found[name], stated[name]) for name in found if found[name] != stated[name]}


def opened(stripe: Sandbox, connect: Callable[..., Resource], version: str) -> Shop:
    """An account that never moved on, with an endpoint made by hand: events come in the account's version."""
    account = stripe.account("old", local_webhooks=True, api_version=version)
    shop = Shop(stripe, account, version)
    shop.set_clock(BEGAN - timedelta(hours=1))
    for kind in ("subscription", "invoice", "charge"):
        connect(kind, key=account.key)
    account.alter(shop.newest("webhook_endpoint")["id"], api_version=None)
    return shop


def payer(shop: Shop, moment: datetime) -> dict[str, Any]:
    """A customer with two addresses, whose card names yet another payer."""
    customer = shop.play(moment, "create_customer", **ADA)
    card = shop.play(
        moment, "add_card", customer=customer["id"], brand="visa", last4="4242", exp_month=8, exp_year=2028
    )
    shop.play(moment, "alter", object=card["id"], event="payment_method.updated", changes={"billing_details": PAYER})
    return customer


def pro(shop: Shop, moment: datetime, **given: Any) -> dict[str, Any]:
    """A monthly price of EUR 29.00 of the product Pro plan."""
    about = {"category": "SaaS", "brand": "Mill", "tags": "pro, yearly"}
    product = shop.play(moment, "add_product", name="Pro plan", metadata=about)
    price = {"currency": "eur", "interval": "month", "unit_amount": 2900, "nickname": "Pro, monthly"}
    return shop.play(moment, "add_price", product=product["id"], lookup_key="PRO-M", **price | given)


def stated(shop: Shop, customer: dict[str, Any], price: dict[str, Any]) -> dict[str, Any]:
    """All fields of an active subscription to a price of EUR 29.00, just begun and paid."""
    ends = datetime(2026, 2, 28, 10, tzinfo=UTC)
    return {
        "legacy_connection_id": Resource.objects.values_list("connection", flat=True).first(),
        "source": "stripe",
        "account": shop.account.id,
        "is_test": False,
        "name": "Pro plan",
        "email": "ada@mill.example",
        "normalized_status": "ACTIVE",
        "store_status": "active",
        "store_customer_id": customer["id"],
        "billing_interval": "MONTHLY",
        "billing_interval_count": 1,
        "payment_amount": 2900,
        "discount_amount": 0,
        "tax_amount": 0,
        "shipping_amount": 0,
        "last_payment_status": "COMPLETED",
        "last_payment_date": BEGAN,
        "start_date": BEGAN,
        "renewal_date": ends,
        "next_payment_date": ends,
        "anchor_date": BEGAN,
        "cancelled_date": None,
        "payment_method_expiration": date(2028, 8, 1),
        "currency": "EUR",
        "store_created_date": BEGAN,
        "store_modified_date": BEGAN,
        "is_trial": False,
        "cancel_at_period_end": False,
        "total_cycles": 0,
        "notes": [],
        "store_external_id": "",
        "line_item_categories": ["SaaS"],
        "line_item_names": ["Pro plan"],
        "line_item_skus": ["PRO-M"],
        "line_item_brands": ["Mill"],
        "line_item_tags": ["pro", "yearly"],
        "line_item_store_primary_ids": [price["product"]],
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
        "billing_last_name": "de la Cruz",
        "billing_line1": "Bank 1",
        "billing_line2": "Floor 3",
        "billing_line3": "",
        "billing_city": "York",
        "billing_province": "NY",
        "billing_country": "GB",
        "billing_postal_code": "YO1",
        "billing_phone": "+44 3",
        "billing_company": "Mill Ltd",
        "billing_email": "pay@mill.example",
        "trial_start_date": None,
        "trial_end_date": None,
        "current_period_start": BEGAN,
        "current_period_end": ends,
        "ended_date": None,
        "cancel_at": None,
        "cancellation_reason": "",
        "cancellation_feedback": "",
        "cancellation_comment": "",
        "pause_resumes_at": None,
        "collection_method": "charge_automatically",
        "quantity": 1,
        "price_id": price["id"],
        "plan_name": "Pro, monthly",
        "discount_code": "",
        "payment_method_brand": "visa",
        "payment_method_last4": "4242",
        "failed_payment_count": 0,
        "mrr_amount": 2900,
    }
