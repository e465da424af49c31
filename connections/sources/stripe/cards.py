"""Cards and sources, which paid before payment methods did, as the payment methods Stripe makes of them today. Pure."""

from __future__ import annotations

from connections.sources.base import Json
from connections.sources.stripe import shapes

OLD = ("card", "source")
_BRANDS = {"american express": "amex", "diners club": "diners", "eftpos australia": "eftpos_au"}
_PLACES = {
    "line1": "address_line1",
    "line2": "address_line2",
    "city": "address_city",
    "state": "address_state",
    "postal_code": "address_zip",
    "country": "address_country",
}


def as_payment_method(body: Json) -> Json:
    """A card or source as a payment method with the same id; anything else as it is.

    Shape: https://docs.stripe.com/payments/payment-methods/transitioning, "Compatible payment method types".
    """
    if body.get("object") not in OLD:
        return body
    card = body if body.get("object") == "card" else body.get("card")
    told = card if isinstance(card, dict) else {}
    brand = shapes.text(told.get("brand")).lower()
    return {
        "id": body.get("id"),
        "object": "payment_method",
        "type": "card" if told else body.get("type"),
        "card": {name: told.get(name) for name in ("last4", "exp_month", "exp_year")}
        | {"brand": _BRANDS.get(brand, brand)},
        "billing_details": _owner(body),
    }


def _owner(body: Json) -> Json:
    owner = body.get("owner")
    if isinstance(owner, dict):
        return {name: owner.get(name) for name in ("name", "email", "phone", "address")}
    return {"name": body.get("name"), "address": {ours: body.get(theirs) for ours, theirs in _PLACES.items()}}
