"""A subscription with everything around it that its recurring payment is made from, and how to find one's way in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import cards, shapes


@dataclass(frozen=True)
class Billing:
    """A subscription and what we hold of its customer, payment methods, products, invoices, charges and sessions."""

    subscription: HeldObject
    held: dict[str, HeldObject] = field(default_factory=dict)
    invoices: tuple[HeldObject, ...] = ()
    charges: tuple[HeldObject, ...] = ()
    refunds: tuple[HeldObject, ...] = ()
    invoice_payments: tuple[HeldObject, ...] = ()
    sessions: tuple[HeldObject, ...] = ()


def held_body(billing: Billing, kind: str, reference: Any) -> Json:
    held = billing.held.get(f"{kind}:{shapes.id_of(reference)}")
    return held.body if held else reference if isinstance(reference, dict) else {}


def payment_method(billing: Billing) -> Json:
    """What pays, in the order Stripe goes by; what is not held is passed over."""
    found = (held_body(billing, "payment_method", reference) for reference in method_references(billing))
    return next((cards.as_payment_method(body) for body in found if body), {})


def method_references(billing: Billing) -> list[Any]:
    """What may pay, each an id or whole: the subscription's own first, then the customer's, cards of old after each."""
    body = billing.subscription.body
    customer = held_body(billing, "customer", body.get("customer"))
    told = (
        body.get("default_payment_method"),
        body.get("default_source"),
        shapes.get(customer, "invoice_settings", "default_payment_method"),
        customer.get("default_source"),
    )
    return [reference for reference in told if shapes.id_of(reference)]


def products(billing: Billing) -> list[Json]:
    return [
        held_body(billing, "product", shapes.get(item, "price", "product") or shapes.get(item, "plan", "product"))
        for item in shapes.items(billing.subscription.body)
    ]


def session_of(billing: Billing) -> HeldObject | None:
    return oldest(billing.sessions)


def next_item(body: Json) -> Json:
    items = list(shapes.items(body))
    return min(items, key=lambda item: item.get("current_period_end") or 0, default={})


def latest_invoice(billing: Billing) -> Json:
    wanted = shapes.id_of(billing.subscription.body.get("latest_invoice"))
    by_id = {invoice.id: invoice.body for invoice in billing.invoices}
    if wanted in by_id:
        return by_id[wanted]
    newest = max(billing.invoices, key=birth, default=None)
    return newest.body if newest else {}


def currency(body: Json) -> str:
    """The subscription's own currency since 2022, before that its prices'."""
    item = next_item(body)
    places = (body.get("currency"), shapes.get(item, "price", "currency"), shapes.get(item, "plan", "currency"))
    return next((code for place in places if (code := shapes.text(place))), "")


def oldest(objects: Iterable[HeldObject]) -> HeldObject | None:
    return min(objects, key=birth, default=None)


def birth(held: HeldObject) -> tuple[int, str]:
    return integer(held.body.get("created")) or 0, held.id


def texts(found: Iterable[Any]) -> list[str]:
    return [value for value in found if isinstance(value, str) and value]


def sum_of(parts: Any) -> int:
    return sum(integer(part.get("amount")) or 0 for part in parts or [] if isinstance(part, dict))


def integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def whole(value: Any) -> int | None:
    number = integer(value)
    return number if number is not None and 0 <= number < 2**31 else None
