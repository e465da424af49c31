"""Every status and kind of subscription by signed webhooks, in every shape Stripe still sends: all fields, stated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connections.sources.stripe.client import API_VERSION
from tests.connections.shops import BEGAN, Shop, differing, payer, pro, stated

pytestmark = pytest.mark.django_db(transaction=True)

Json = dict[str, Any]
LATER = BEGAN + timedelta(days=2)
ENDS = datetime(2026, 2, 28, 10, tzinfo=UTC)
NEXT_ENDS = datetime(2026, 3, 28, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A subscription: how it begins, what becomes of it (moment, scenario, arguments), and what its row then says.

    `prices`: keys of `PRICES`. What is not stated here is as `shops.stated` has it.
    """

    stated: Json
    steps: tuple[tuple[datetime, str, Json], ...] = ()
    begins: Json = field(default_factory=dict)
    prices: tuple[str, ...] = ("pro",)


PRICES: dict[str, Json] = {
    "yen": {"currency": "jpy", "unit_amount": 1500},
    "dinar": {"currency": "kwd", "unit_amount": 12345},
    "yearly": {"unit_amount": 29000, "interval": "year"},
    "fortnightly": {"unit_amount": 1000, "interval": "week", "interval_count": 2},
    "daily": {"unit_amount": 100, "interval": "day"},
    "metered": {"unit_amount": 5, "usage_type": "metered"},
    "graduated": {"tiers": [{"up_to": 10, "unit_amount": 100}, {"up_to": None, "unit_amount": 80}]},
}


def status(told: str, ours: str, **changes: Any) -> Json:
    return {"store_status": told, "normalized_status": ours} | changes


def altered(**changes: Any) -> tuple[datetime, str, Json]:
    return LATER, "alter", {"event": "customer.subscription.updated", "changes": changes}


def period(begins: datetime, ends: datetime, comes: datetime | None) -> Json:
    moments = {"current_period_start": begins, "current_period_end": ends}
    return moments | {"renewal_date": ends, "next_payment_date": comes}


def costs(amount: int, monthly: int | None = None, quantity: int | None = 1) -> Json:
    return {"payment_amount": amount, "mrr_amount": amount if monthly is None else monthly, "quantity": quantity}


NOTHING_COMES = {"next_payment_date": None, "mrr_amount": 0}
SINCE = {"store_modified_date": LATER}
FAILED = period(ENDS, NEXT_ENDS, None) | {
    "last_payment_status": "DECLINED",
    "last_payment_date": ENDS,
    "store_modified_date": ENDS,
    "failed_payment_count": 1,
}
DECLINED = NOTHING_COMES | {"last_payment_status": "DECLINED", "failed_payment_count": 1}
FAILS, PAUSES = (ENDS, "fail_payment", {}), {"behavior": "void", "resumes_at": None}
TRIAL = dict.fromkeys(("trial_end_date", "anchor_date"), BEGAN + timedelta(days=7)) | {"trial_start_date": BEGAN}
ASKED = {"cancelled_date": LATER, "cancellation_reason": "cancellation_requested"}

STATUSES = {
    "active": Case(status("active", "ACTIVE")),
    "trialing": Case(
        status("trialing", "ACTIVE", is_trial=True, mrr_amount=0, **TRIAL)
        | period(BEGAN, BEGAN + timedelta(days=7), BEGAN + timedelta(days=7)),
        begins={"trial_days": 7},
    ),
    "past_due": Case(
        status("past_due", "PAYMENT_FAILED", **FAILED | {"next_payment_date": ENDS + timedelta(days=3)}), (FAILS,)
    ),
    "unpaid": Case(
        status("unpaid", "PAYMENT_FAILED", mrr_amount=0, **FAILED), (FAILS, (ENDS, "give_up", {"into": "unpaid"}))
    ),
    "incomplete": Case(status("incomplete", "PENDING", **DECLINED), begins={"paid": False}),
    "incomplete_expired": Case(
        status("incomplete_expired", "EXPIRED", **DECLINED, **SINCE),
        (altered(status="incomplete_expired"),),
        begins={"paid": False},
    ),
    "paused": Case(status("paused", "PAUSED", **NOTHING_COMES, **SINCE), ((LATER, "pause", {}),)),
    "canceled": Case(
        status("canceled", "CANCELLED", **NOTHING_COMES, **SINCE, **ASKED, ended_date=LATER), ((LATER, "cancel", {}),)
    ),
    "given up": Case(
        status("canceled", "CANCELLED", **FAILED, mrr_amount=0, ended_date=ENDS, cancelled_date=ENDS)
        | {"cancellation_reason": "payment_failed"},
        (FAILS, (ENDS, "give_up", {})),
    ),
    "active, not collected": Case(
        status("active", "PAUSED", **NOTHING_COMES, **SINCE), (altered(pause_collection=PAUSES),)
    ),
    "past_due, not collected": Case(
        status("past_due", "PAUSED", **FAILED, mrr_amount=0), (FAILS, (ENDS, "pause_collection", {}))
    ),
    "canceled, not collected": Case(
        status("canceled", "CANCELLED", **NOTHING_COMES, **SINCE, **ASKED, ended_date=LATER),
        (altered(pause_collection=PAUSES), (LATER, "cancel", {})),
    ),
    "a word of tomorrow": Case(status("resting", "PENDING", mrr_amount=0, **SINCE), (altered(status="resting"),)),
}
KINDS = {
    "cancels before the next payment": Case(
        SINCE | ASKED | {"next_payment_date": None, "cancel_at": ENDS, "cancel_at_period_end": True, "total_cycles": 1},
        ((LATER, "modify_subscription", {"cancel_at": int(ENDS.timestamp())}),),
    ),
    "cancels in a year": Case(
        SINCE | ASKED | {"cancel_at": BEGAN.replace(2027), "cancel_at_period_end": True, "total_cycles": 12},
        ((LATER, "modify_subscription", {"cancel_at": int(BEGAN.replace(2027).timestamp())}),),
    ),
    "an invoice is sent": Case(
        {"collection_method": "send_invoice", "last_payment_status": "PENDING", "last_payment_date": None},
        begins={"days_until_due": 30},
    ),
    "an invoice was sent and paid": Case(
        {"collection_method": "send_invoice", "last_payment_date": LATER},
        ((LATER, "recover", {}),),
        begins={"days_until_due": 30},
    ),
    "no decimals": Case({"currency": "JPY"} | costs(4500, quantity=3), begins={"quantities": [3]}, prices=("yen",)),
    "three decimals": Case({"currency": "KWD"} | costs(12345), prices=("dinar",)),
    "a year": Case(
        {"billing_interval": "YEARLY"} | costs(29000, 2417) | period(BEGAN, *[BEGAN.replace(2027)] * 2),
        prices=("yearly",),
    ),
    "two weeks": Case(
        {"billing_interval": "WEEKLY", "billing_interval_count": 2}
        | costs(1000, 2167)
        | period(BEGAN, *[BEGAN + timedelta(days=14)] * 2),
        prices=("fortnightly",),
    ),
    "a day": Case(
        {"billing_interval": "DAILY"} | costs(100, 3042) | period(BEGAN, *[BEGAN + timedelta(days=1)] * 2),
        prices=("daily",),
    ),
    "several items and intervals": Case(
        costs(2 * 2900 + 29000, 5800 + 2417, 3), begins={"quantities": [2, 1]}, prices=("pro", "yearly")
    ),
    "metered": Case(
        costs(685, quantity=None)
        | period(ENDS, NEXT_ENDS, NEXT_ENDS)
        | {"last_payment_date": ENDS, "store_modified_date": ENDS},
        ((ENDS, "renew", {"usage": 137}),),
        prices=("metered",),
    ),
    "graduated": Case(costs(1160, quantity=12), begins={"quantities": [12]}, prices=("graduated",)),
}


def test_every_status(shop: Shop) -> None:
    """B034 and 2.1: what Stripe calls it, what we call it, and every other field of the row with it."""
    check(shop, STATUSES)


@pytest.mark.parametrize("shop", ["2020-08-27", API_VERSION], indirect=True)
def test_every_kind(shop: Shop) -> None:
    """B034: intervals, items, currencies, usage, tiers, invoices that are sent, cancellations to come."""
    check(shop, KINDS)


def check(shop: Shop, cases: dict[str, Case]) -> None:
    """Let all subscriptions live beside each other, deliver what happened, and compare each row."""
    customer = payer(shop, BEGAN)
    prices = {"pro": pro(shop, BEGAN)}
    common = {"product": prices["pro"]["product"], "currency": "eur", "interval": "month"}
    wanted = {key for case in cases.values() for key in case.prices} - prices.keys()
    prices |= {key: shop.play(BEGAN, "add_price", **common | PRICES[key]) for key in sorted(wanted)}
    expected = {name: _begun(shop, customer, prices, case) for name, case in cases.items()}
    for moment, name, scenario, given in _steps(cases):
        subject = "object" if scenario == "alter" else "subscription"
        shop.play(moment, scenario, **given | {subject: expected[name]["store_recurring_payment_id"]})
    shop.deliver()
    urls = {invoice["id"]: invoice["hosted_invoice_url"] for invoice in shop.account.objects("invoice")}
    latest = {made["id"]: made["latest_invoice"] for made in shop.account.objects("subscription")}
    wrong = {}
    for name, row in expected.items():
        id_ = row["store_recurring_payment_id"]
        wrong[name] = differing(shop.row({"id": id_}), row | {"latest_invoice_url": urls[latest[id_]]})
    assert {name: fields for name, fields in wrong.items() if fields} == {}


def _steps(cases: dict[str, Case]) -> list[tuple[datetime, str, str, Json]]:
    """What happens after the beginning, by time, so that the clock only goes forward."""
    steps = [(moment, name, what, given) for name, case in cases.items() for moment, what, given in case.steps]
    return sorted(steps, key=lambda step: step[0])


def _begun(shop: Shop, customer: Json, prices: dict[str, Json], case: Case) -> Json:
    """Begin the subscription of a case; the row it is to end in, but for the address of its latest invoice."""
    chosen = [prices[key] for key in case.prices]
    ids = [price["id"] for price in chosen]
    made = shop.play(BEGAN, "subscribe", customer=customer["id"], prices=ids, **case.begins)
    skus = [price["lookup_key"] or price["id"] for price in chosen]
    items = {name: told * len(chosen) for name, told in PER_ITEM.items()}
    row = stated(shop, customer, chosen[0]) | items | {
        "store_recurring_payment_id": made["id"],
        "origin_order_id": made["latest_invoice"],
        "name": ", ".join(["Pro plan"] * len(chosen)),
        "line_item_skus": skus,
        "line_item_store_primary_ids": [price["product"] for price in chosen],
        "plan_name": chosen[0]["nickname"] or "",
    }  # fmt: skip
    return row | case.stated


PER_ITEM = {
    "line_item_names": ["Pro plan"],
    "line_item_categories": ["SaaS"],
    "line_item_brands": ["Mill"],
    "line_item_tags": ["pro", "yearly"],
}
