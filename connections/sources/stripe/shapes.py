"""Facts whose place in Stripe's objects has moved: the new place first, then the older ones.

Everything takes and gives plain dicts; a missing or odd value reads as None, never as an error. Shapes: stripe-python
16.1 (endive) and Stripe's published fixtures back to 2020-08-27.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connections.sources.base import Json

EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def moment(seconds: Any) -> datetime | None:
    """Unix seconds as an aware time; None for anything that is not a time a database can hold."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return found if EARLIEST <= found <= LATEST else None


def get(body: Any, *path: str) -> Any:
    """The value at a path of keys, or None. A list on the way is entered at its first element."""
    for key in path:
        if not isinstance(body, dict):
            body = body[0] if isinstance(body, list) and body else None
            if not isinstance(body, dict):
                return None
        body = body.get(key)
    return body


def text(value: Any) -> str:
    """A string as it is; anything else as ""."""
    return value if isinstance(value, str) else ""


def id_of(reference: Any) -> str:
    """The id of an object that may be expanded. "" for none."""
    if isinstance(reference, dict):
        reference = reference.get("id")
    return text(reference)


def object_type(body: Json) -> str:
    """Stripe's `object` with dots as underscores, as RemoteObject.type has it."""
    return text(body.get("object")).replace(".", "_")


def is_stub(body: Json) -> bool:
    """All that is left of a deleted object: its id. What stands beside that is empty."""
    return not any(value for name, value in body.items() if name not in _OF_STUBS)


def customer_id(body: Json) -> str:
    """The customer an object belongs to; a customer is its own."""
    return id_of(body.get("id") if body.get("object") == "customer" else body.get("customer"))


def discounts(subscription: Json) -> list[Any]:
    """Discounts of a subscription and of its items, each an id or whole, once. Before April 2024 there was one at most,
    and until basil it came whole beside the ids.
    """
    placed = _each(subscription.get("discounts"))
    for item in items(subscription):
        placed = placed + _each(item.get("discounts"))
    placed = [*placed, subscription.get("discount")]
    return list({id_of(one) or place: one for place, one in enumerate(placed) if one}.values())


def _each(listed: Any) -> list[Any]:
    return listed if isinstance(listed, list) else []


def coupon(discount: Json) -> Any:
    """The coupon behind a discount, an id or whole. Since clover under `source`."""
    return get(discount, "source", "coupon") or discount.get("coupon")


def items(subscription: Json) -> Iterator[Json]:
    for item in get(subscription, "items", "data") or []:
        if isinstance(item, dict):
            yield item


def period_end(subscription: Json) -> int | None:
    """When the item that bills next does so: on the items since basil, on the subscription before."""
    ends = [end for item in items(subscription) if isinstance(end := item.get("current_period_end"), int)]
    return min(ends) if ends else subscription.get("current_period_end")


def period_start(subscription: Json) -> int | None:
    starts = [start for item in items(subscription) if isinstance(start := item.get("current_period_start"), int)]
    return max(starts) if starts else subscription.get("current_period_start")


def will_cancel(subscription: Json) -> bool:
    return bool(subscription.get("cancel_at_period_end") or subscription.get("cancel_at"))


def invoice_subscription(invoice: Json) -> str:
    """The subscription an invoice bills. Since basil under `parent`."""
    return id_of(get(invoice, "parent", "subscription_details", "subscription")) or id_of(invoice.get("subscription"))


def invoice_tax(invoice: Json) -> int | None:
    """Sum of taxes in minor units: `total_taxes` since basil, `tax` before."""
    taxes = invoice.get("total_taxes")
    if isinstance(taxes, list):
        return sum(tax.get("amount") or 0 for tax in taxes if isinstance(tax, dict))
    return invoice.get("tax")


class Line(NamedTuple):
    """A line of an invoice: id of its price, quantity and amount as told."""

    price: str
    quantity: Any
    amount: Any


def invoice_lines(invoice: Json) -> list[Line]:
    """An invoice's lines but for prorations. The price moved under `pricing` in basil."""
    found = []
    for line in get(invoice, "lines", "data") or []:
        parent = get(line, "parent", "subscription_item_details") or line
        if not isinstance(line, dict) or get(parent, "proration"):
            continue
        places = (get(line, "pricing", "price_details", "price"), line.get("price"), line.get("plan"))
        price = next((id_ for place in places if (id_ := id_of(place))), "")
        found.append(Line(price, line.get("quantity"), line.get("amount")))
    return found


def session_shipping(session: Json) -> Json:
    """Name and address to ship to, which moved twice."""
    return (
        get(session, "collected_information", "shipping_details")
        or session.get("shipping_details")
        or session.get("shipping")
        or {}
    )


_OF_STUBS = ("id", "object", "deleted")
_EMAILS: dict[str, tuple[tuple[str, ...], ...]] = {
    "customer": (("email",),),
    "charge": (("billing_details", "email"), ("receipt_email",), ("source", "owner", "email")),
    "payment_intent": (("receipt_email",),),
    "invoice": (("customer_email",),),
    "checkout_session": (("customer_details", "email"), ("customer_email",)),
    "dispute": (("evidence", "customer_email_address"),),
}


def email(body: Json, customer: Json | None) -> str:
    """The chain of places an object's email address may be in, best first. "" if it has none."""
    kind = object_type(body)
    own = [text(get(body, *path)) for path in _EMAILS.get(kind, ())]
    followed = text(get(customer, "email")) or text(get(body, "customer", "email"))
    later: list[str] = []
    if kind == "subscription":
        later = [
            text(get(body, "default_payment_method", "billing_details", "email")),
            text(get(body, "latest_invoice", "customer_email")),
        ]
    elif kind == "charge":
        # Legacy sources come last: their owner may not be the payer.
        own, later = own[:2], own[2:]
    elif kind == "dispute":
        own, later = [], own
    return next((found for found in (*own, followed, *later) if found), "")


def undo(body: Json, previous: Any) -> Json:
    """The object before an update: `previous_attributes` put back, nested dicts merged key by key."""
    if not isinstance(previous, dict):
        return body
    before = dict(body)
    for key, old in previous.items():
        now = before.get(key)
        before[key] = undo(now, old) if isinstance(old, dict) and isinstance(now, dict) else old
    return before


def references(body: Json) -> list[str]:
    """Keys of the objects this one names by id, expanded or not: who is affected when one of them changes."""
    kind = object_type(body)
    found = [
        f"{target}:{id_of(get(body, *path) if len(path) > 1 else body.get(path[0]))}"
        for target, path in _REFERENCES.get(kind, ())
    ]
    for item in items({"items": body} if kind == "subscription_items" else body) if kind in _WITH_ITEMS else ():
        found += [f"price:{id_of(get(item, 'price'))}", f"product:{id_of(get(item, 'price', 'product'))}"]
    if kind == "subscription":
        found += [f"discount:{id_of(one)}" for one in discounts(body)]
    if kind == "discount":
        found.append(f"coupon:{id_of(coupon(body))}")
    if kind == "invoice":
        found.append(f"subscription:{invoice_subscription(body)}")
        for payment in get(body, "payments", "data") or []:
            found.append(f"payment_intent:{id_of(get(payment, 'payment', 'payment_intent'))}")
    if kind == "payment_intent" and (order := text(get(body, "payment_details", "order_reference"))).startswith("in_"):
        # Stripe names the invoice there since basil; the field is the seller's own otherwise.
        found.append(f"invoice:{order}")
    return sorted({key for key in found if not key.endswith(":")})


# A subscription's items stand apart where they are too many to be embedded.
_WITH_ITEMS = ("subscription", "subscription_items")
_REFERENCES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "customer": (
        ("payment_method", ("invoice_settings", "default_payment_method")),
        ("payment_method", ("default_source",)),
        ("coupon", ("discount", "source", "coupon")),
        ("coupon", ("discount", "coupon")),
    ),
    "subscription": (
        ("customer", ("customer",)),
        ("payment_method", ("default_payment_method",)),
        ("payment_method", ("default_source",)),
        ("invoice", ("latest_invoice",)),
        ("subscription_schedule", ("schedule",)),
    ),
    "invoice": (("customer", ("customer",)), ("payment_intent", ("payment_intent",)), ("charge", ("charge",))),
    "charge": (
        ("customer", ("customer",)),
        ("payment_intent", ("payment_intent",)),
        ("invoice", ("invoice",)),
    ),
    "payment_intent": (("customer", ("customer",)), ("charge", ("latest_charge",)), ("invoice", ("invoice",))),
    "checkout_session": (
        ("customer", ("customer",)),
        ("subscription", ("subscription",)),
        ("invoice", ("invoice",)),
        ("payment_intent", ("payment_intent",)),
    ),
    "invoice_payment": (
        ("invoice", ("invoice",)),
        ("payment_intent", ("payment", "payment_intent")),
        ("charge", ("payment", "charge")),
    ),
    "refund": (("charge", ("charge",)), ("payment_intent", ("payment_intent",))),
    "dispute": (("charge", ("charge",)), ("payment_intent", ("payment_intent",))),
}
