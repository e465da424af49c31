"""Recurring payments and orders by signed webhooks in every shape Stripe still sends: all fields, stated here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connections.models import RemoteObject
from connections.sources.stripe.client import API_VERSION
from contacts.models import Contact
from orders.models import Order
from tests.connections.shops import BEGAN, Shop, differing, payer, pro, stated

pytestmark = pytest.mark.django_db(transaction=True)


def orders() -> list[dict[str, Any]]:
    fields = ("status", "total", "tax", "discount", "shipping", "refunded", "currency", "contact__email")
    return list(Order.objects.order_by("placed_at", "pk").values(*fields))


def test_a_full_life(shop: Shop) -> None:
    """B001 B034 A007: trial, payment, renewal, refund, failure, recovery, pause, cancellation, deletion."""
    customer = payer(shop, BEGAN)
    price = pro(shop, BEGAN)
    coupon = shop.play(BEGAN, "add_coupon", id="SPRING", name="Spring", percent_off=10, duration="forever")
    made = shop.play(
        BEGAN,
        "subscribe",
        customer=customer["id"],
        prices=[price["id"]],
        quantities=[2],
        trial_days=14,
        coupon=coupon["id"],
        tax_percent=20,
        description="Founding member",
        metadata={"external_id": "ext-7"},
    )
    trial_ends, first_invoice = BEGAN + timedelta(days=14), shop.newest("invoice")
    row = stated(shop, customer, price) | {
        "store_recurring_payment_id": made["id"],
        "origin_order_id": first_invoice["id"],
        "latest_invoice_url": first_invoice["hosted_invoice_url"],
        "quantity": 2,
        "payment_amount": 5800,
        "mrr_amount": 0,
        "is_trial": True,
        "store_status": "trialing",
        "notes": ["Founding member"],
        "store_external_id": "ext-7",
        "discount_code": "Spring",
        **dict.fromkeys(("trial_start_date", "current_period_start"), BEGAN),
        **dict.fromkeys(
            ("trial_end_date", "current_period_end", "renewal_date", "next_payment_date", "anchor_date"), trial_ends
        ),
    }

    def becomes(**changes: Any) -> None:
        """By now the row, all of it, is as it was but for these."""
        nonlocal row
        shop.deliver()
        row |= changes
        assert differing(shop.row(made), row) == {}

    def cycle(begins: datetime, ends: datetime) -> dict[str, Any]:
        """What a period that began with a payment attempt says."""
        period = {"current_period_start": begins, "current_period_end": ends, "renewal_date": ends}
        url = shop.newest("invoice")["hosted_invoice_url"]
        return period | {"store_modified_date": begins, "last_payment_date": begins, "latest_invoice_url": url}

    becomes()
    assert orders() == []  # an invoice over nothing buys nothing
    assert Contact.objects.get().email == "ada@mill.example"

    renews = datetime(2026, 3, 14, 10, tzinfo=UTC)
    shop.play(trial_ends, "end_trial", subscription=made["id"], shipping=400)
    bill = {"payment_amount": 6664, "discount_amount": 580, "tax_amount": 1044, "shipping_amount": 400}
    running = {"store_status": "active", "normalized_status": "ACTIVE", "mrr_amount": 5800, "next_payment_date": renews}
    becomes(**bill, **running, is_trial=False, **cycle(trial_ends, renews))
    order = {"status": "paid", "total": 6664, "tax": 1044, "discount": 580, "shipping": 400, "refunded": 0}
    order |= {"currency": "EUR", "contact__email": "ada@mill.example"}
    assert orders() == [order]
    invoice, charge = shop.newest("invoice"), shop.newest("charge")
    told = {f"invoice:{invoice['id']}", f"charge:{charge['id']}"}
    assert told <= set(Order.objects.get().references.values_list("reference", flat=True))
    assert Order.objects.get().external_id == invoice["id"]

    fails = datetime(2026, 4, 14, 10, tzinfo=UTC)
    shop.play(renews, "renew", subscription=made["id"], shipping=400)
    becomes(next_payment_date=fails, **cycle(renews, fails))
    charge = shop.newest("charge")
    shop.play(renews + timedelta(days=2), "refund", charge=charge["id"], amount=1000)
    becomes(last_payment_status="PARTIALLY_REFUNDED")
    refunded = order | {"status": "partially_refunded", "refunded": 1000}
    assert orders() == [order, refunded]

    ends, tried_again = datetime(2026, 5, 14, 10, tzinfo=UTC), fails + timedelta(days=3)
    shop.play(fails, "fail_payment", subscription=made["id"])
    becomes(
        store_status="past_due",
        normalized_status="PAYMENT_FAILED",
        last_payment_status="DECLINED",
        failed_payment_count=1,
        **cycle(fails, ends),
        next_payment_date=tried_again,
        payment_amount=6264,
        shipping_amount=0,
    )
    waiting = order | {"status": "pending", "total": 6264, "shipping": 0}
    assert orders() == [order, refunded, waiting]
    shop.play(tried_again, "recover", subscription=made["id"])
    paid = {"last_payment_status": "COMPLETED", "last_payment_date": tried_again, "store_modified_date": tried_again}
    becomes(**running | {"next_payment_date": ends}, **paid)
    assert orders() == [order, refunded, waiting | {"status": "paid"}]

    paused, resumed = fails + timedelta(days=6), datetime(2026, 5, 1, 10, tzinfo=UTC)
    resumes = int(resumed.timestamp())
    shop.play(paused, "pause_collection", subscription=made["id"], resumes_at=resumes)
    becomes(
        normalized_status="PAUSED",
        next_payment_date=None,
        mrr_amount=0,
        pause_resumes_at=resumed,
        store_modified_date=paused,
    )
    shop.play(resumed, "resume_collection", subscription=made["id"])
    asked = resumed + timedelta(days=1)
    said = {"feedback": "too_expensive", "comment": "Too dear"}
    shop.play(asked, "cancel", subscription=made["id"], at_period_end=True, **said)
    becomes(
        normalized_status="ACTIVE",
        mrr_amount=5800,
        pause_resumes_at=None,
        cancel_at_period_end=True,
        cancel_at=ends,
        cancelled_date=asked,
        total_cycles=3,
        cancellation_reason="cancellation_requested",
        cancellation_feedback="too_expensive",
        cancellation_comment="Too dear",
        notes=["Founding member", "Too dear"],
        store_modified_date=asked,
    )
    shop.play(ends, "cancel", subscription=made["id"])
    becomes(
        store_status="canceled",
        normalized_status="CANCELLED",
        mrr_amount=0,
        cancel_at_period_end=False,
        ended_date=ends,
        store_modified_date=ends,
    )
    shop.play(ends + timedelta(days=6), "delete_customer", customer=customer["id"])
    becomes()  # what only the customer told are its last words
    assert Contact.objects.get().email == "ada@mill.example"
    assert orders() == [order, refunded, waiting | {"status": "paid"}]
    held = RemoteObject.objects.get(type="subscription")
    assert ("current_period_end" in (held.body or {})) == (shop.version != API_VERSION)
