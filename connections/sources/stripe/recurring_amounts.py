"""What a subscription costs and whether it was paid. Pure; amounts are in the currency's smallest unit."""

from __future__ import annotations

from collections.abc import Iterable

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import shapes
from connections.sources.stripe.billing import Billing, birth, integer, latest_invoice, next_item, sum_of, whole
from recurring_payments.models import Interval, PaymentStatus

_CYCLES = ("subscription_create", "subscription_cycle")
_INTERVALS = {"day": Interval.DAILY, "week": Interval.WEEKLY, "month": Interval.MONTHLY, "year": Interval.YEARLY}
_A_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}
_DAYS = {"day": 1, "week": 7, "month": 30.436875, "year": 365.2425}


def amounts(billing: Billing) -> Json:
    body = billing.subscription.body
    item = next_item(body)
    interval = shapes.get(item, "price", "recurring", "interval") or shapes.get(item, "plan", "interval")
    count = shapes.get(item, "price", "recurring", "interval_count") or shapes.get(item, "plan", "interval_count")
    invoice = _cycle_invoice(billing)
    listed = _listed_amount(body)
    shipping = shapes.get(invoice, "shipping_cost", "amount_total")
    return {
        "billing_interval": _INTERVALS.get(shapes.text(interval), ""),
        "billing_interval_count": whole(count),
        "payment_amount": integer(invoice.get("total")) if invoice else listed,
        "discount_amount": sum_of(invoice.get("total_discount_amounts")) if invoice else 0,
        "tax_amount": integer(shapes.invoice_tax(invoice)) or 0,
        "shipping_amount": integer(shipping) or integer(invoice.get("amount_shipping")) or 0,
        "mrr_amount": _monthly(body),
        "quantity": _quantity(body),
    }


def last_payment(billing: Billing) -> Json:
    invoice = latest_invoice(billing)
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
    waits = told in ("open", "draft")
    return {"last_payment_status": PaymentStatus.PENDING if waits else "", "last_payment_date": None}


def _refunded(charges: Iterable[HeldObject]) -> str:
    paid = [charge.body for charge in charges if charge.body.get("status") == "succeeded"]
    returned = sum(integer(body.get("amount_refunded")) or 0 for body in paid)
    if not returned:
        return ""
    paid_in_all = sum(integer(body.get("amount")) or 0 for body in paid)
    return PaymentStatus.REFUNDED if returned >= paid_in_all else PaymentStatus.PARTIALLY_REFUNDED


def _cycle_invoice(billing: Billing) -> Json:
    """The newest invoice of a whole cycle above zero whose lines are the present items; {} if there is none."""
    items = shapes.items(billing.subscription.body)
    present = sorted((shapes.id_of(shapes.get(item, "price")), item.get("quantity")) for item in items)
    for invoice in sorted(billing.invoices, key=birth, reverse=True):
        body = invoice.body
        counts = body.get("billing_reason") in _CYCLES and body.get("status") != "void"
        if counts and (integer(body.get("total")) or 0) > 0 and sorted(shapes.invoice_lines(body)) == present:
            return body
    return {}


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


def _listed_amount(body: Json) -> int | None:
    """Sum of price times quantity; None if a price has no amount of its own (tiered, metered)."""
    each = [_item_amount(item) for item in shapes.items(body)]
    return None if not each or None in each else sum(amount or 0 for amount in each)


def _item_amount(item: Json) -> int | None:
    amount = integer(shapes.get(item, "price", "unit_amount"))
    if amount is None:
        amount = integer(shapes.get(item, "plan", "amount"))
    return None if amount is None else amount * (whole(item.get("quantity")) or 1)


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
        total += amount * times / 12 / (whole(recurring.get("interval_count")) or 1)
    return round(total)


def total_cycles(body: Json) -> int:
    """Cycles from the start to a set end; 0 without one."""
    start, end = body.get("start_date") or body.get("created"), body.get("cancel_at")
    recurring = shapes.get(next_item(body), "price", "recurring") or shapes.get(next_item(body), "plan") or {}
    days = _DAYS.get(shapes.text(recurring.get("interval")))
    if not isinstance(start, int) or not isinstance(end, int) or not days or end <= start:
        return 0
    return max(1, round((end - start) / 86_400 / days / (whole(recurring.get("interval_count")) or 1)))


def _quantity(body: Json) -> int | None:
    counts = [item["quantity"] for item in shapes.items(body) if whole(item.get("quantity")) is not None]
    return sum(counts) if counts else None
