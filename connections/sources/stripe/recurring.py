"""A subscription, with the objects around it, as one recurring payment. Pure: a function of the objects held.

Rules: docs/requirements.md, section 2 and 2.1. Shapes old and new are read by `shapes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import shapes
from connections.sources.stripe.addresses import addresses
from recurring_payments.models import Interval, PaymentStatus, Status

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
_CYCLES = ("subscription_create", "subscription_cycle")
_INTERVALS = {"day": Interval.DAILY, "week": Interval.WEEKLY, "month": Interval.MONTHLY, "year": Interval.YEARLY}
_A_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}
_DAYS = {"day": 1, "week": 7, "month": 30.436875, "year": 365.2425}


@dataclass(frozen=True)
class Billing:
    """A subscription and what we hold of its customer, payment methods, products, invoices, charges and sessions."""

    subscription: HeldObject
    held: dict[str, HeldObject] = field(default_factory=dict)
    invoices: tuple[HeldObject, ...] = ()
    charges: tuple[HeldObject, ...] = ()
    invoice_payments: tuple[HeldObject, ...] = ()
    sessions: tuple[HeldObject, ...] = ()


def values(billing: Billing, status_map: dict[str, str] | None = None) -> Json:
    """Every field of the recurring payment by name. Amounts in minor units, times aware, unknown ones empty."""
    body = billing.subscription.body
    customer = _held(billing, "customer", body.get("customer"))
    method = _payment_method(billing, customer)
    return (
        _identity(billing, customer, status_map or {})
        | _amounts(billing)
        | _dates(billing)
        | _last_payment(billing)
        | _line_items(billing)
        | _card(method)
        | _extras(billing)
        | addresses(customer, method)
    )


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
    invoice = _latest_invoice(billing)
    session = _session(billing)
    first = _oldest([i for i in billing.invoices if i.body.get("billing_reason") == "subscription_create"])
    comment = shapes.text(shapes.get(body, "cancellation_details", "comment"))
    names = [shapes.text(product.get("name")) for product in _products(billing)]
    metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    return {
        "name": (", ".join(name for name in names if name) or shapes.text(body.get("description")))[:500],
        "email": (shapes.text(customer.get("email")) or shapes.text(invoice.get("customer_email")))[:320],
        "normalized_status": status(body, status_map),
        "store_status": shapes.text(body.get("status"))[:60],
        "store_customer_id": shapes.customer_id(body)[:255],
        "currency": _currency(body).upper()[:3],
        "origin_order_id": (session.id if session else first.id if first else "")[:255],
        "is_trial": body.get("status") == "trialing",
        "cancel_at_period_end": shapes.will_cancel(body) and body.get("status") != "canceled",
        "notes": [note for note in (shapes.text(body.get("description")), comment) if note],
        "store_external_id": (
            shapes.text((metadata or {}).get("external_id"))
            or (shapes.text(session.body.get("client_reference_id")) if session else "")
        )[:500],
        "total_cycles": _total_cycles(body),
    }


def _amounts(billing: Billing) -> Json:
    body = billing.subscription.body
    item = _next_item(body)
    interval = shapes.get(item, "price", "recurring", "interval") or shapes.get(item, "plan", "interval")
    count = shapes.get(item, "price", "recurring", "interval_count") or shapes.get(item, "plan", "interval_count")
    invoice = _cycle_invoice(billing)
    listed = _listed_amount(body)
    shipping = shapes.get(invoice, "shipping_cost", "amount_total")
    return {
        "billing_interval": _INTERVALS.get(shapes.text(interval), ""),
        "billing_interval_count": _count(count),
        "payment_amount": _integer(invoice.get("total")) if invoice else listed,
        "discount_amount": _sum(invoice.get("total_discount_amounts")) if invoice else 0,
        "tax_amount": _integer(shapes.invoice_tax(invoice)) or 0,
        "shipping_amount": _integer(shipping) or _integer(invoice.get("amount_shipping")) or 0,
        "mrr_amount": _monthly(body),
        "quantity": _quantity(body),
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
        "store_modified_date": billing.subscription.as_of,
    }


def _next_payment(billing: Billing) -> datetime | None:
    body = billing.subscription.body
    told = body.get("status")
    if told in _NOTHING_COMES or body.get("pause_collection"):
        return None
    if told == "trialing":
        due = shapes.moment(body.get("trial_end"))
    elif told == "past_due":
        due = shapes.moment(_latest_invoice(billing).get("next_payment_attempt"))
    else:
        due = shapes.moment(shapes.period_end(body))
    ends = shapes.moment(body.get("cancel_at"))
    if body.get("cancel_at_period_end") or (due and ends and ends <= due):
        return due if told == "past_due" else None
    return due


def _last_payment(billing: Billing) -> Json:
    invoice = _latest_invoice(billing)
    charges = _charges_of(billing, invoice)
    told = invoice.get("status")
    newest = max((c.body.get("created") or 0 for c in charges), default=0)
    if not invoice:
        return {"last_payment_status": "", "last_payment_date": None}
    paid_at = shapes.get(invoice, "status_transitions", "paid_at")
    attempted = shapes.moment(newest) or shapes.moment(shapes.get(invoice, "status_transitions", "finalized_at"))
    if told == "paid":
        return {
            "last_payment_status": _refunded(charges) or PaymentStatus.COMPLETED,
            "last_payment_date": shapes.moment(paid_at) or shapes.moment(newest),
        }
    if told == "uncollectible" or (told == "open" and invoice.get("attempted")):
        return {"last_payment_status": PaymentStatus.DECLINED, "last_payment_date": attempted}
    return {
        "last_payment_status": PaymentStatus.PENDING if told in ("open", "draft") else "",
        "last_payment_date": None,
    }


def _refunded(charges: Iterable[HeldObject]) -> str:
    paid = [charge.body for charge in charges if charge.body.get("status") == "succeeded"]
    returned = sum(_integer(body.get("amount_refunded")) or 0 for body in paid)
    if not returned:
        return ""
    whole = sum(_integer(body.get("amount")) or 0 for body in paid)
    return PaymentStatus.REFUNDED if returned >= whole else PaymentStatus.PARTIALLY_REFUNDED


def _line_items(billing: Billing) -> Json:
    products = _products(billing)
    prices = [shapes.get(item, "price") or {} for item in shapes.items(billing.subscription.body)]
    about = [product.get("metadata") or {} for product in products]
    tags = [tag.strip() for data in about for tag in shapes.text(data.get("tags")).split(",")]
    return {
        "line_item_names": _texts(product.get("name") for product in products),
        "line_item_categories": _texts(data.get("category") for data in about),
        "line_item_brands": _texts(data.get("brand") for data in about),
        "line_item_tags": _texts(tags),
        "line_item_skus": _texts(
            price.get("lookup_key") or shapes.get(price, "metadata", "sku") or price.get("id") for price in prices
        ),
        "line_item_store_primary_ids": _texts(shapes.id_of(price.get("product")) for price in prices),
    }


def _card(method: Json) -> Json:
    card = shapes.get(method, "card") or (method if method.get("object") == "card" else {})
    year, month = card.get("exp_year"), card.get("exp_month")
    known = isinstance(year, int) and isinstance(month, int) and 1 <= month <= 12 and 1 <= year <= 9999
    return {
        "payment_method_expiration": date(year, month, 1) if known else None,
        "payment_method_brand": shapes.text(card.get("brand"))[:60],
        "payment_method_last4": shapes.text(card.get("last4"))[:10],
    }


def _extras(billing: Billing) -> Json:
    body = billing.subscription.body
    details = body.get("cancellation_details") or {}
    item = _next_item(body)
    invoice = _latest_invoice(billing)
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
        "price_id": shapes.id_of(shapes.get(item, "price"))[:255],
        "plan_name": shapes.text(shapes.get(item, "price", "nickname"))[:255],
        "discount_code": _discount(body)[:255],
        "latest_invoice_url": shapes.text(invoice.get("hosted_invoice_url")),
        "failed_payment_count": _attempts(invoice),
    }


def _cycle_invoice(billing: Billing) -> Json:
    """The newest invoice of a whole cycle above zero whose lines are the present items; {} if there is none."""
    present = sorted(
        (shapes.id_of(shapes.get(i, "price")), i.get("quantity")) for i in shapes.items(billing.subscription.body)
    )
    for invoice in sorted(billing.invoices, key=_birth, reverse=True):
        body = invoice.body
        counts = body.get("billing_reason") in _CYCLES and body.get("status") != "void"
        if counts and (_integer(body.get("total")) or 0) > 0 and sorted(shapes.invoice_lines(body)) == present:
            return body
    return {}


def _latest_invoice(billing: Billing) -> Json:
    wanted = shapes.id_of(billing.subscription.body.get("latest_invoice"))
    by_id = {invoice.id: invoice.body for invoice in billing.invoices}
    if wanted in by_id:
        return by_id[wanted]
    newest = max(billing.invoices, key=_birth, default=None)
    return newest.body if newest else {}


def _charges_of(billing: Billing, invoice: Json) -> list[HeldObject]:
    """Charges that paid, or tried to pay, an invoice: by way of its payments, or as older versions told it."""
    if not invoice:
        return []
    intents, direct = {shapes.id_of(invoice.get("payment_intent"))}, {shapes.id_of(invoice.get("charge"))}
    for payment in billing.invoice_payments:
        if shapes.id_of(payment.body.get("invoice")) == invoice.get("id"):
            intents.add(shapes.id_of(shapes.get(payment.body, "payment", "payment_intent")))
            direct.add(shapes.id_of(shapes.get(payment.body, "payment", "charge")))
    intents.discard("")
    return [
        charge
        for charge in billing.charges
        if charge.id in direct
        or shapes.id_of(charge.body.get("payment_intent")) in intents
        or shapes.id_of(charge.body.get("invoice")) == invoice.get("id")
    ]


def _payment_method(billing: Billing, customer: Json) -> Json:
    own = _held(billing, "payment_method", billing.subscription.body.get("default_payment_method"))
    usual = _held(billing, "payment_method", shapes.get(customer, "invoice_settings", "default_payment_method"))
    card = customer.get("default_source")
    return own or usual or (card if isinstance(card, dict) else {})


def _held(billing: Billing, kind: str, reference: Any) -> Json:
    held = billing.held.get(f"{kind}:{shapes.id_of(reference)}")
    return held.body if held else reference if isinstance(reference, dict) else {}


def _currency(body: Json) -> str:
    """The subscription's own currency since 2022, before that its prices'."""
    item = _next_item(body)
    places = (body.get("currency"), shapes.get(item, "price", "currency"), shapes.get(item, "plan", "currency"))
    return next((code for place in places if (code := shapes.text(place))), "")


def _products(billing: Billing) -> list[Json]:
    return [
        _held(billing, "product", shapes.get(item, "price", "product") or shapes.get(item, "plan", "product"))
        for item in shapes.items(billing.subscription.body)
    ]


def _session(billing: Billing) -> HeldObject | None:
    return _oldest(billing.sessions)


def _next_item(body: Json) -> Json:
    items = list(shapes.items(body))
    return min(items, key=lambda item: item.get("current_period_end") or 0, default={})


def _listed_amount(body: Json) -> int | None:
    """Sum of price times quantity; None if a price has no amount of its own (tiered, metered)."""
    amounts = [_item_amount(item) for item in shapes.items(body)]
    return None if not amounts or None in amounts else sum(amount or 0 for amount in amounts)


def _item_amount(item: Json) -> int | None:
    amount = _integer(shapes.get(item, "price", "unit_amount"))
    if amount is None:
        amount = _integer(shapes.get(item, "plan", "amount"))
    return None if amount is None else amount * (_count(item.get("quantity")) or 1)


def _monthly(body: Json) -> int | None:
    """What the present items bring in a month; 0 when nothing is paid."""
    if body.get("status") not in ("active", "past_due") or body.get("pause_collection"):
        return 0
    total = 0.0
    for item in shapes.items(body):
        amount = _item_amount(item)
        recurring = shapes.get(item, "price", "recurring") or shapes.get(item, "plan") or {}
        times = _A_YEAR.get(shapes.text(recurring.get("interval")))
        if amount is None or times is None:
            return None
        total += amount * times / 12 / (_count(recurring.get("interval_count")) or 1)
    return round(total)


def _total_cycles(body: Json) -> int:
    """Cycles from the start to a set end; 0 without one."""
    start, end = body.get("start_date") or body.get("created"), body.get("cancel_at")
    recurring = shapes.get(_next_item(body), "price", "recurring") or shapes.get(_next_item(body), "plan") or {}
    days = _DAYS.get(shapes.text(recurring.get("interval")))
    if not isinstance(start, int) or not isinstance(end, int) or not days or end <= start:
        return 0
    return max(1, round((end - start) / 86_400 / days / (_count(recurring.get("interval_count")) or 1)))


def _quantity(body: Json) -> int | None:
    counts = [item["quantity"] for item in shapes.items(body) if _count(item.get("quantity")) is not None]
    return sum(counts) if counts else None


def _discount(body: Json) -> str:
    discounts = body.get("discounts") or [body.get("discount")]
    for discount in discounts:
        coupon = shapes.get(discount, "source", "coupon") or shapes.get(discount, "coupon")
        code = shapes.text(shapes.get(coupon, "name")) or shapes.id_of(coupon)
        if code:
            return code
    return ""


def _attempts(invoice: Json) -> int:
    count = _count(invoice.get("attempt_count")) or 0
    return max(0, count - 1) if invoice.get("status") == "paid" else count


def _oldest(objects: Iterable[HeldObject]) -> HeldObject | None:
    return min(objects, key=_birth, default=None)


def _birth(held: HeldObject) -> tuple[int, str]:
    return _integer(held.body.get("created")) or 0, held.id


def _texts(found: Iterable[Any]) -> list[str]:
    return [value for value in found if isinstance(value, str) and value]


def _sum(parts: Any) -> int:
    return sum(_integer(part.get("amount")) or 0 for part in parts or [] if isinstance(part, dict))


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _count(value: Any) -> int | None:
    number = _integer(value)
    return number if number is not None and 0 <= number < 2**31 else None
