"""Does an object as Stripe lists it say anything else than the one we hold? Pure.

Only what an event would have told counts: what nobody asked to hear of may differ, and so may what Stripe makes anew
for each answer (the address of a receipt).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from connections.sources.base import Json
from connections.sources.stripe import shapes

# kind -> (event types any of which tells it, what they tell)
_TOLD: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "customer": (
        (
            ("customer.updated",),
            (
                "email",
                "name",
                "individual_name",
                "business_name",
                "phone",
                "description",
                "address",
                "shipping",
                "metadata",
                "invoice_settings",
                "default_source",
            ),
        ),
        (("customer.deleted",), ("deleted",)),
    ),
    "subscription": (
        (("customer.subscription.updated", "customer.subscription.deleted"), ("status", "canceled_at", "ended_at")),
        (
            ("customer.subscription.updated",),
            (
                "items",
                "cancel_at",
                "cancel_at_period_end",
                "pause_collection",
                "trial_start",
                "trial_end",
                "collection_method",
                "default_payment_method",
                "default_source",
                "description",
                "discounts",
                "latest_invoice",
                "metadata",
            ),
        ),
    ),
    "invoice": (
        (
            ("invoice.updated", "invoice.paid", "invoice.payment_succeeded", "invoice.voided"),
            ("status", "amount_paid", "amount_remaining"),
        ),
        (
            ("invoice.updated",),
            ("total", "amount_due", "attempt_count", "next_payment_attempt", "due_date", "metadata"),
        ),
    ),
    "charge": (
        (("charge.succeeded", "charge.failed", "charge.pending"), ("status", "paid", "amount", "customer")),
        (("charge.refunded",), ("refunded", "amount_refunded")),
        (("charge.captured",), ("captured", "amount_captured")),
    ),
    "checkout_session": (
        (
            ("checkout.session.completed", "checkout.session.async_payment_succeeded"),
            ("status", "payment_status", "amount_total", "customer", "subscription", "payment_intent", "invoice"),
        ),
    ),
}
# The events that bring an object we have never heard of.
_NEW = {
    "customer": ("customer.created", "customer.updated"),
    "subscription": ("customer.subscription.created", "customer.subscription.updated"),
    "invoice": ("invoice.created", "invoice.updated", "invoice.finalized", "invoice.paid"),
    "checkout_session": ("checkout.session.completed",),
}
ENDED = ("canceled", "incomplete_expired")


def differences(kind: str, listed: Json, held: Json, events: Collection[str]) -> list[str]:
    """Names of what differs, as far as one of these event types would have told it.

    Parts only one of them has are left out: an older shape, or an expansion.
    """
    return [
        name
        for types, names in _TOLD.get(kind, ())
        if any(type_ in events for type_ in types)
        for name in names
        if name in listed and name in held and _plain(name, listed) != _plain(name, held)
    ]


def would_be_told(kind: str, listed: Json, events: Collection[str]) -> bool:
    """Would one of these event types have brought an object that we do not hold?"""
    types = (f"charge.{listed.get('status')}",) if kind == "charge" else _NEW.get(kind, ())
    return any(type_ in events for type_ in types)


def _plain(name: str, body: Json) -> Any:
    if name == "items":
        # Since basil the period stands on the items; either way it is one fact.
        return [
            (item.get("id"), shapes.id_of(item.get("price")), item.get("quantity")) for item in shapes.items(body)
        ], shapes.period_end(body)
    return shapes.id_of(body[name]) if name == "customer" else _collapsed(body[name])


def _collapsed(value: Any) -> Any:
    """Expanded objects as their ids."""
    if isinstance(value, dict):
        if "object" in value and "id" in value:
            return value["id"]
        return {key: _collapsed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_collapsed(inner) for inner in value]
    return value
