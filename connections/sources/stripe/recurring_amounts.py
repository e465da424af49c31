"""What a subscription costs and whether it was paid. Pure; amounts are in the currency's smallest unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import item_prices, refunds, shapes
from connections.sources.stripe.billing import (
    Billing,
    birth,
    held_body,
    integer,
    latest_invoice,
    next_item,
    sum_of,
    whole,
)
from recurring_payments.models import Interval, PaymentStatus

_CYCLES = ("subscription_create", "subscription_cycle")
_INTERVALS = {"day": Interval.DAILY, "week": Interval.WEEKLY, "month": Interval.MONTHLY, "year": Interval.YEARLY}
_A_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}
_DAYS = {"day": 1, "week": 7, "month": 30.436875, "year": 365.2425}


def amounts(billing: Billing) -> Json:
    body = billing.subscription.body
    recurring = item_prices.recurrence(next_item(body))
    invoice = _cycle_invoice(billing)
    shipping = shapes.get(invoice, "shipping_cost", "amount_total")
    return {
        "billing_interval": _INTERVALS.get(shapes.text(recurring.get("interval")), ""),
        "billing_interval_count": whole(recurring.get("interval_count")),
        "payment_amount": integer(invoice.get("total")) if invoice else _listed_amount(body),
        "discount_amount": sum_of(invoice.get("total_discount_amounts")) if invoice else 0,
        "tax_amount": integer(shapes.invoice_tax(invoice)) or 0,
        "shipping_amount": integer(shipping) or integer(invoice.get("amount_shipping")) or 0,
        "mrr_amount": _monthly(body, invoice),
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
            "last_payment_status": _refunded(charges, billing.refunds) or PaymentStatus.COMPLETED,
            "last_payment_date": shapes.moment(paid_at) or shapes.moment(newest),
        }
    if told == "uncollectible" or (told == "open" and invoice.get("attempted")):
        return {"last_payment_status": PaymentStatus.DECLINED, "last_payment_date": attempted}
    waits = told in ("open", "draft")
    return {"last_payment_status": PaymentStatus.PENDING if waits else "", "last_payment_date": None}


def _refunded(charges: Iterable[HeldObject], told: Iterable[HeldObject]) -> str:
    paid = [charge for charge in charges if charge.body.get("status") == "succeeded"]
    amounts = refunds.returned(paid, told)
    returned = sum(amounts[charge.id] for charge in paid)
    if not returned:
        return ""
    paid_in_all = sum(integer(charge.body.get("amount")) or 0 for charge in paid)
    return PaymentStatus.REFUNDED if returned >= paid_in_all else PaymentStatus.PARTIALLY_REFUNDED


def _cycle_invoice(billing: Billing) -> Json:
    """The newest invoice of a whole cycle above zero whose lines are the present items; {} if there is none."""
    items = list(shapes.items(billing.subscription.body))
    for invoice in sorted(billing.invoices, key=_turn, reverse=True):
        body = invoice.body
        counts = body.get("billing_reason") in _CYCLES and body.get("status") != "void"
        if counts and (integer(body.get("total")) or 0) > 0 and _bills(body, items):
            return body
    return {}


def _turn(invoice: HeldObject) -> tuple[int, bool, str]:
    """For invoices of one subscription: its first comes before all others, also in the same second."""
    created, id_ = birth(invoice)
    return created, invoice.body.get("billing_reason") != _CYCLES[0], id_


def _bills(invoice: Json, items: list[Json]) -> bool:
    """Are the invoice's lines these items? Graduated tiers have a line each; what was not used may have none."""
    metered = {shapes.id_of(item_prices.price_of(item)) for item in items if item_prices.is_metered(item)}
    wanted: Counter[str] = Counter()
    for item in items:
        wanted[shapes.id_of(item_prices.price_of(item))] += item_prices.quantity(item) or 0
    billed: Counter[str] = Counter()
    for line in shapes.invoice_lines(invoice):
        # A line may leave the quantity out, as an item may.
        count = 1 if line.quantity is None else whole(line.quantity) or 0
        billed[line.price] += 0 if line.price in metered else count
    return billed.keys() <= wanted.keys() and all(
        price in metered or billed[price] == count for price, count in wanted.items()
    )


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
    each = [item_prices.listed(item) for item in shapes.items(body)]
    return None if not each or None in each else sum(amount or 0 for amount in each)


def _monthly(body: Json, invoice: Json) -> int | None:
    """What the present items bring in a month, before discounts and taxes; 0 when nothing is paid.

    What a price does not tell (tiered, metered) is as it was on the last bill, `invoice`.
    """
    if body.get("status") not in ("active", "past_due") or body.get("pause_collection"):
        return 0
    total = 0.0
    for item in shapes.items(body):
        amount = item_prices.listed(item)
        if amount is None:
            amount = _billed(item, invoice)
        recurring = item_prices.recurrence(item)
        times = _A_YEAR.get(shapes.text(recurring.get("interval")))
        if amount is None or times is None:
            return None
        total += amount * times / 12 / (whole(recurring.get("interval_count")) or 1)
    return round(total)


def _billed(item: Json, invoice: Json) -> int | None:
    """What an item cost by an invoice over the present items; None without one."""
    price = shapes.id_of(item_prices.price_of(item))
    lines = shapes.invoice_lines(invoice)
    return sum(integer(line.amount) or 0 for line in lines if line.price == price) if invoice else None


def total_cycles(billing: Billing) -> int:
    """Cycles from the start to a set end, by itself or by its schedule; 0 without one."""
    body = billing.subscription.body
    start, end = body.get("start_date") or body.get("created"), body.get("cancel_at") or _scheduled_end(billing)
    recurring = item_prices.recurrence(next_item(body))
    days = _DAYS.get(shapes.text(recurring.get("interval")))
    if not isinstance(start, int) or not isinstance(end, int) or not days or end <= start:
        return 0
    return max(1, round((end - start) / 86_400 / days / (whole(recurring.get("interval_count")) or 1)))


def _scheduled_end(billing: Billing) -> Any:
    """When the last phase of a schedule ends that ends its subscription, too; None for one that lets it go on."""
    schedule = held_body(billing, "subscription_schedule", billing.subscription.body.get("schedule"))
    if schedule.get("end_behavior") != "cancel" or schedule.get("status") in ("canceled", "released"):
        return None
    ends = [end for phase in schedule.get("phases") or [] if isinstance(end := shapes.get(phase, "end_date"), int)]
    return max(ends, default=None)


def _quantity(body: Json) -> int | None:
    counts = [item["quantity"] for item in shapes.items(body) if whole(item.get("quantity")) is not None]
    return sum(counts) if counts else None
