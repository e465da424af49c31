"""The objects of one purchase as one order. Pure: a function of the set of objects held.

Checkout sessions, charges and invoices make orders; payment intents, refunds and disputes only tell more of them.
Rules: docs/requirements.md, the export `orders`. Shapes old and new are read by `shapes` and `purchase_parts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import purchase_items, refunds, shapes
from connections.sources.stripe.purchase_parts import TYPES, Parts, integer, parts_of
from orders.models import Status
from orders.records import Item

PURCHASE_TYPES = TYPES
# A purchase goes by the highest id that is known of it.
RANKS = ("invoice", "payment_intent", "charge", "checkout_session")
# When several hold, the first one counts.
_PRECEDENCE = (
    Status.DISPUTED,
    Status.REFUNDED,
    Status.PARTIALLY_REFUNDED,
    Status.PAID,
    Status.PENDING,
    Status.FAILED,
    Status.CANCELLED,
)
_WON = ("won", "warning_closed", "prevented")


@dataclass(frozen=True)
class OrderValues:
    """`values`: fields of orders.Order by name, amounts in minor units. `references`: every object that is part of it,
    also those only named by one we hold."""

    external_id: str
    customer_id: str
    email: str
    references: tuple[str, ...]
    values: Json
    items: tuple[Item, ...]


def order_of(component: list[HeldObject]) -> OrderValues | None:
    """The order that all held objects of one purchase make together; None if they make none (yet)."""
    parts = parts_of(component)
    if not (parts.invoices or parts.charges or parts.sessions):
        return None
    total = _total(parts)
    if total is None:
        return None
    references = tuple(key for key in parts.references if key.partition(":")[0] in RANKS)
    email = _email(parts)[:320]
    items = purchase_items.items_of(parts, total)
    return OrderValues(
        external_id=_external_id(parts, references),
        customer_id=_first(parts.all, lambda body: shapes.id_of(body.get("customer")))[:255],
        email=email,
        references=references,
        values=_amounts(parts, total) | _about(parts, items) | {"email": email, "status": _status(parts, total)},
        items=items,
    )


def _external_id(parts: Parts, references: tuple[str, ...]) -> str:
    """Of several objects of the highest kind the one that counts, else the first by name."""
    counted = {f"invoice:{held.id}" for held in parts.invoices} | {f"charge:{held.id}" for held in parts.paying}
    for kind in RANKS:
        known = [key for key in references if key.startswith(f"{kind}:")]
        if known:
            best = min(known, key=lambda key: (key not in counted, key))
            return best.partition(":")[2]
    raise ValueError("A purchase without an object.")


def _total(parts: Parts) -> int | None:
    """What was asked for: by the invoice, else at checkout, else as it was charged."""
    for body in (*parts.invoices[:1], *parts.sessions[:1]):
        amount = integer(body.body.get("total" if body.type == "invoice" else "amount_total"))
        if amount is not None:
            return amount
    charges = parts.paying or parts.charges[-1:]
    if charges:
        return sum(integer(charge.body.get("amount")) or 0 for charge in charges)
    return next((amount for held in parts.intents if (amount := integer(held.body.get("amount"))) is not None), None)


def _amounts(parts: Parts, total: int) -> Json:
    amounts = {"tax": 0, "discount": 0, "shipping": 0}
    if parts.invoices:
        invoice = parts.invoices[0].body
        shipping = integer(shapes.get(invoice, "shipping_cost", "amount_total"))
        amounts = {
            "tax": integer(shapes.invoice_tax(invoice)) or 0,
            "discount": _sum(invoice.get("total_discount_amounts")),
            "shipping": integer(invoice.get("amount_shipping")) or 0 if shipping is None else shipping,
        }
    elif parts.sessions:
        details = parts.sessions[0].body.get("total_details")
        amounts = {name: integer(shapes.get(details, f"amount_{name}")) or 0 for name in amounts}
    currency = _first(parts.all, lambda body: shapes.text(body.get("currency")))
    return amounts | {"currency": currency.upper()[:3], "total": total, "refunded": _refunded(parts)}


def _refunded(parts: Parts) -> int:
    """What went back of charges that brought money, or that we only know by their refunds."""
    unpaid = {charge.id for charge in parts.charges} - {charge.id for charge in parts.paying}
    returned = refunds.returned(parts.paying, parts.refunds)
    return sum(amount for charge, amount in returned.items() if charge not in unpaid)


def _status(parts: Parts, total: int) -> Status:
    holding = {*_of_charges(parts), *_of_intents(parts)}
    if _is_paid_in_part(parts):
        holding.discard(Status.PAID)
    holding |= {*_of_invoices(parts), *_of_sessions(parts)}
    if refunded := _refunded(parts):
        paid = sum(integer(charge.body.get("amount")) or 0 for charge in parts.paying) or total
        holding.add(Status.REFUNDED if refunded >= min(paid, total) else Status.PARTIALLY_REFUNDED)
    if _is_disputed(parts):
        holding.add(Status.DISPUTED)
    return next(status for status in _PRECEDENCE if status in holding)


def _is_paid_in_part(parts: Parts) -> bool:
    """An open bill on which some money came, and not all of it: by its own word, or by what paid it, which may be known
    first.
    """
    came = sum(integer(charge.body.get("amount")) or 0 for charge in parts.paying) + _by_intents_alone(parts)
    for invoice in parts.invoices:
        body = invoice.body
        due = integer(body.get("amount_due")) or 0
        if body.get("status") == "open" and 0 < max(integer(body.get("amount_paid")) or 0, came) < due:
            return True
    return False


def _by_intents_alone(parts: Parts) -> int:
    """What came by succeeded payment intents whose charges are not held."""
    charges = {charge.id for charge in parts.paying}
    intents = {shapes.id_of(charge.body.get("payment_intent")) for charge in parts.paying}
    alone = [
        intent.body
        for intent in parts.intents
        if intent.body.get("status") == "succeeded"
        and intent.id not in intents
        and shapes.id_of(intent.body.get("latest_charge")) not in charges
    ]
    return sum(integer(body.get("amount_received")) or integer(body.get("amount")) or 0 for body in alone)


def _of_invoices(parts: Parts) -> Iterable[Status]:
    words = {"paid": Status.PAID, "void": Status.CANCELLED, "uncollectible": Status.CANCELLED}
    for invoice in parts.invoices:
        told = shapes.text(invoice.body.get("status"))
        yield words.get(told, Status.PAID if invoice.body.get("paid") is True else Status.PENDING)


def _of_sessions(parts: Parts) -> Iterable[Status]:
    for session in parts.sessions:
        if session.body.get("payment_status") == "unpaid":
            yield Status.FAILED if _payment_failed(parts, session) else Status.PENDING
        else:
            yield Status.PAID


def _payment_failed(parts: Parts, session: HeldObject) -> bool:
    """Whether the money of a completed checkout will not come any more. The session itself never says so."""
    if session.event_type == "checkout.session.async_payment_failed":
        return True
    if parts.charges:
        return all(charge.body.get("status") == "failed" for charge in parts.charges)
    return any(
        intent.body.get("status") == "requires_payment_method" and intent.body.get("last_payment_error")
        for intent in parts.intents
    )


def _of_charges(parts: Parts) -> Iterable[Status]:
    for charge in parts.charges:
        told = charge.body.get("status")
        if told == "failed":
            yield Status.FAILED
        elif told == "pending":
            yield Status.PENDING
        elif charge in parts.paying:
            yield Status.PAID
        else:  # authorised only: captured later, or let go
            yield Status.CANCELLED if charge.body.get("refunded") else Status.PENDING


def _of_intents(parts: Parts) -> Iterable[Status]:
    """A payment intent only adds what nothing else can tell: it is also there while a buyer still types.

    One that succeeded paid even where its charge is not held: alone it makes no order, and Stripe ends it only once the
    money is captured. That it went back, or is disputed, the refund or dispute tells by itself, without the charge too.
    """
    for intent in parts.intents:
        if intent.body.get("status") == "succeeded":
            yield Status.PAID
        elif intent.body.get("status") == "canceled":
            yield Status.CANCELLED


def _is_disputed(parts: Parts) -> bool:
    """A dispute that was won, or an inquiry that was closed, is none any more."""
    told = {shapes.id_of(dispute.body.get("charge")) for dispute in parts.disputes}
    return any(dispute.body.get("status") not in _WON for dispute in parts.disputes) or any(
        charge.body.get("disputed") is True and charge.id not in told for charge in parts.charges
    )


def _about(parts: Parts, items: tuple[Item, ...]) -> Json:
    names = ", ".join(dict.fromkeys(item.name for item in items if item.name))
    own = _first(parts.invoices, lambda body: shapes.text(body.get("description")))
    paid = (*parts.paying, *parts.intents)
    url = _first(parts.invoices, lambda body: shapes.text(body.get("hosted_invoice_url")))
    return {
        "number": (
            _first(parts.invoices, lambda body: shapes.text(body.get("number")))
            or _first(parts.charges, lambda body: shapes.text(body.get("receipt_number")))
        )[:255],
        "description": (own or names or _first(paid, lambda body: shapes.text(body.get("description"))))[:500],
        "url": url or _first(parts.paying, lambda body: shapes.text(body.get("receipt_url"))),
        "placed_at": _placed_at(parts),
        "paid_at": _paid_at(parts),
    }


def _placed_at(parts: Parts) -> datetime:
    makers = (*parts.sessions, *parts.invoices, *parts.charges)
    times = [time for held in makers if (time := shapes.moment(held.body.get("created")))]
    # A session of 2020 does not say when it was made.
    later = [time for held in parts.intents if (time := shapes.moment(held.body.get("created")))]
    return min(times or later or [held.as_of for held in makers])


def _paid_at(parts: Parts) -> datetime | None:
    settled = [shapes.moment(shapes.get(held.body, "status_transitions", "paid_at")) for held in parts.invoices]
    paying = () if _is_paid_in_part(parts) else parts.paying
    charged = [shapes.moment(held.body.get("created")) for held in paying]
    known = [time for time in settled if time] or [time for time in charged if time]
    return min(known, default=None)


def _email(parts: Parts) -> str:
    ordered = (*parts.sessions, *parts.invoices, *parts.paying, *parts.charges, *parts.intents)
    return _first(ordered, lambda body: shapes.email(body, None))


def _first(objects: Iterable[HeldObject], read: Any) -> str:
    return next((found for held in objects if (found := read(held.body))), "")


def _sum(amounts: Any) -> int:
    return sum(integer(one.get("amount")) or 0 for one in amounts or [] if isinstance(one, dict))
