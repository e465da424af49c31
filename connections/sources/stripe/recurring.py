"""A subscription, with the objects around it, as one recurring payment. Pure: a function of the objects held.

Rules: docs/requirements.md, section 2 and 2.1. Shapes old and new are read by `shapes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from connections.sources.base import Json
from connections.sources.stripe import item_prices, shapes
from connections.sources.stripe.addresses import addresses
from connections.sources.stripe.billing import (
    Billing,
    currency,
    held_body,
    latest_invoice,
    oldest,
    payment_method,
    products,
    session_of,
    texts,
    whole,
)
from connections.sources.stripe.recurring_amounts import amounts, last_payment, total_cycles
from recurring_payments.models import Status

STATUSES = {
    "active": Status.ACTIVE,
    "trialing": Status.ACTIVE,
    "past_due": Status.PAYMENT_FAILED,
    "unpaid": Status.PAYMENT_FAILED,
    "incomplete": Status.PENDING,
    "incomplete_expired": Status.EXPIRED,
    "paused": Status.PAUSED,
    "canceled": Status.CANCELLED,
}
# Statuses under which a paused collection means that nothing is paid at present.
_COLLECTING = ("active", "trialing", "past_due", "unpaid")
_NOTHING_COMES = ("canceled", "incomplete", "incomplete_expired", "unpaid", "paused")


def values(billing: Billing, status_map: dict[str, str] | None = None) -> Json:
    """Every field of the recurring payment by name. Amounts in minor units, times aware, unknown ones empty."""
    body = billing.subscription.body
    customer = held_body(billing, "customer", body.get("customer"))
    method = payment_method(billing)
    return (
        _identity(billing, customer, status_map or {})
        | amounts(billing)
        | _dates(billing)
        | last_payment(billing)
        | _line_items(billing)
        | _card(method)
        | _extras(billing, customer)
        | addresses(customer, method)
    )


# What a subscription says of itself, so that an event of it tells these before and after.
_OWN = (
    "normalized_status",
    "store_status",
    "currency",
    "billing_interval",
    "billing_interval_count",
    "name",
    "is_trial",
    "cancel_at_period_end",
    "cancel_at",
    "cancelled_date",
    "mrr_amount",
)


def changes(
    billing: Billing, before: Json, after: Json, status_map: dict[str, str] | None = None
) -> dict[str, tuple[Any, Any]]:
    """Field -> (old, new) of what one event of the subscription changed, with all around it as it is now."""
    states = (replace(billing, subscription=billing.subscription._replace(body=body)) for body in (before, after))
    old, new = (values(state, status_map) for state in states)
    return {name: (old[name], new[name]) for name in _OWN if old[name] != new[name]}


def status(body: Json, status_map: dict[str, str]) -> str:
    """The normalised status. A user's map comes first; an unknown status of Stripe's is pending."""
    told = shapes.text(body.get("status"))
    if told in status_map:
        return status_map[told]
    if told in _COLLECTING and body.get("pause_collection"):
        return Status.PAUSED
    return STATUSES.get(told, Status.PENDING)


def _identity(billing: Billing, customer: Json, status_map: dict[str, str]) -> Json:
    body = billing.subscription.body
    invoice = latest_invoice(billing)
    session = session_of(billing)
    first = oldest([i for i in billing.invoices if i.body.get("billing_reason") == "subscription_create"])
    comment = shapes.text(shapes.get(body, "cancellation_details", "comment"))
    names = [shapes.text(product.get("name")) for product in products(billing)]
    metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    return {
        "name": (", ".join(name for name in names if name) or shapes.text(body.get("description")))[:500],
        "email": (shapes.text(customer.get("email")) or shapes.text(invoice.get("customer_email")))[:320],
        "normalized_status": status(body, status_map),
        "store_status": shapes.text(body.get("status"))[:60],
        "store_customer_id": shapes.customer_id(body)[:255],
        "currency": currency(body).upper()[:3],
        "origin_order_id": (session.id if session else first.id if first else "")[:255],
        "is_trial": body.get("status") == "trialing",
        "cancel_at_period_end": shapes.will_cancel(body) and body.get("status") != "canceled",
        "notes": [note for note in (shapes.text(body.get("description")), comment) if note],
        "store_external_id": (
            shapes.text((metadata or {}).get("external_id"))
            or (shapes.text(session.body.get("client_reference_id")) if session else "")
        )[:500],
        "total_cycles": total_cycles(billing),
    }


def _dates(billing: Billing) -> Json:
    body = billing.subscription.body
    return {
        "start_date": shapes.moment(body.get("start_date")) or shapes.moment(body.get("created")),
        "renewal_date": shapes.moment(shapes.period_end(body)),
        "next_payment_date": _next_payment(billing),
        "anchor_date": shapes.moment(body.get("billing_cycle_anchor")),
        "cancelled_date": shapes.moment(body.get("canceled_at")),
        "store_created_date": shapes.moment(body.get("created")),
        "store_modified_date": billing.subscription.event_at,
    }


def _next_payment(billing: Billing) -> datetime | None:
    body = billing.subscription.body
    told = body.get("status")
    if told in _NOTHING_COMES or body.get("pause_collection"):
        return None
    if told == "trialing":
        due = shapes.moment(body.get("trial_end"))
    elif told == "past_due":
        due = shapes.moment(latest_invoice(billing).get("next_payment_attempt"))
    else:
        due = shapes.moment(shapes.period_end(body))
    ends = shapes.moment(body.get("cancel_at"))
    if body.get("cancel_at_period_end") or (due and ends and ends <= due):
        return due if told == "past_due" else None
    return due


def _line_items(billing: Billing) -> Json:
    found = products(billing)
    prices = item_prices.prices(billing)
    about = [product.get("metadata") or {} for product in found]
    tags = [tag.strip() for data in about for tag in shapes.text(data.get("tags")).split(",")]
    return {
        "line_item_names": texts(product.get("name") for product in found),
        "line_item_categories": texts(data.get("category") for data in about),
        "line_item_brands": texts(data.get("brand") for data in about),
        "line_item_tags": texts(tags),
        "line_item_skus": texts(
            price.get("lookup_key") or shapes.get(price, "metadata", "sku") or price.get("id") for price in prices
        ),
        "line_item_store_primary_ids": texts(shapes.id_of(price.get("product")) for price in prices),
    }


def _card(method: Json) -> Json:
    card = shapes.get(method, "card") or {}
    return {
        "payment_method_expiration": _first_of_month(card.get("exp_year"), card.get("exp_month")),
        "payment_method_brand": shapes.text(card.get("brand"))[:60],
        "payment_method_last4": shapes.text(card.get("last4"))[:10],
    }


def _first_of_month(year: Any, month: Any) -> date | None:
    if not isinstance(year, int) or not isinstance(month, int):
        return None
    return date(year, month, 1) if 1 <= month <= 12 and 1 <= year <= 9999 else None


def _extras(billing: Billing, customer: Json) -> Json:
    body = billing.subscription.body
    details = body.get("cancellation_details") or {}
    price = item_prices.next_price(billing)
    invoice = latest_invoice(billing)
    return {
        "trial_start_date": shapes.moment(body.get("trial_start")),
        "trial_end_date": shapes.moment(body.get("trial_end")),
        "current_period_start": shapes.moment(shapes.period_start(body)),
        "current_period_end": shapes.moment(shapes.period_end(body)),
        "ended_date": shapes.moment(body.get("ended_at")),
        "cancel_at": shapes.moment(body.get("cancel_at")),
        "cancellation_reason": shapes.text(details.get("reason"))[:255],
        "cancellation_feedback": shapes.text(details.get("feedback"))[:255],
        "cancellation_comment": shapes.text(details.get("comment")),
        "pause_resumes_at": shapes.moment(shapes.get(body, "pause_collection", "resumes_at")),
        "collection_method": shapes.text(body.get("collection_method"))[:40],
        "price_id": shapes.id_of(price)[:255],
        "plan_name": shapes.text(price.get("nickname"))[:255],
        "discount_code": ", ".join(_codes(billing, customer))[:255],
        "latest_invoice_url": shapes.text(invoice.get("hosted_invoice_url")),
        "failed_payment_count": _attempts(invoice),
    }


def _codes(billing: Billing, customer: Json) -> Iterator[str]:
    """Of each discount the coupon's name, or its id where it has none or is not held. A customer's own discount counts
    where the subscription has none.
    """
    for reference in shapes.discounts(billing.subscription.body) or [customer.get("discount")]:
        coupon = shapes.coupon(held_body(billing, "discount", reference))
        if code := shapes.text(held_body(billing, "coupon", coupon).get("name")) or shapes.id_of(coupon):
            yield code


def _attempts(invoice: Json) -> int:
    count = whole(invoice.get("attempt_count")) or 0
    return max(0, count - 1) if invoice.get("status") == "paid" else count
