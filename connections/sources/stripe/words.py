"""Stripe's events as a sentence for a timeline."""

from __future__ import annotations

from common.money import as_text
from connections.sources.base import Json
from connections.sources.stripe import shapes
from connections.sources.stripe.events import EVENTS

# Where each kind of object says how much it is about, best first.
_AMOUNTS = {
    "charge": ("amount",),
    "invoice": ("total", "amount_due"),
    "checkout_session": ("amount_total",),
    "dispute": ("amount",),
    "payment_intent": ("amount",),
}


def sentence(event_type: str, body: Json) -> str:
    """“Charge succeeded: 49.00 EUR”; the event's type for one we have no words for."""
    known = EVENTS.get(event_type)
    words = known.label if known else event_type
    if found := amount(event_type, body):
        return f"{words}: {found[0]} {found[1]}"
    kind = shapes.object_type(body)
    if kind == "subscription" and (plan := shapes.text(shapes.get(body, "items", "data", "price", "nickname"))):
        return f"{words}: {plan}"
    return words


def amount(event_type: str, body: Json) -> tuple[str, str] | None:
    """("49.00", "EUR"): how much an event is about; None where it is about no money."""
    field = "amount_refunded" if event_type == "charge.refunded" else None
    names = (field,) if field else _AMOUNTS.get(shapes.object_type(body), ())
    minor = next((body[name] for name in names if isinstance(body.get(name), int)), None)
    currency = shapes.text(body.get("currency"))
    return (as_text(minor, currency), currency.upper()) if minor is not None and currency else None
