"""Shipping and billing address of a payer, from the customer and the payment method."""

from __future__ import annotations

from typing import Any

from connections.sources.base import Json
from connections.sources.stripe import shapes
from contacts.names import split_name

_PLACES = {
    "line1": "line1",
    "line2": "line2",
    "city": "city",
    "province": "state",
    "country": "country",
    "postal_code": "postal_code",
}


def addresses(customer: Json, method: Json) -> Json:
    """The twelve fields of each address. Stripe has two address lines; the third stays empty."""
    shipping, billing = customer.get("shipping") or {}, method.get("billing_details") or {}
    company = shapes.text(customer.get("business_name"))
    email = shapes.text(customer.get("email"))
    paid_by = shapes.text(billing.get("name")) or shapes.text(customer.get("individual_name"))
    billing_address = billing.get("address") if _filled(billing.get("address")) else customer.get("address")
    return _address(
        "shipping", shapes.text(shipping.get("name")), shipping.get("address"), shipping.get("phone"), company, email
    ) | _address(
        "billing",
        paid_by or shapes.text(customer.get("name")),
        billing_address,
        billing.get("phone") or customer.get("phone"),
        company,
        shapes.text(billing.get("email")) or email,
    )


def _address(prefix: str, name: str, place: Any, phone: Any, company: str, email: str) -> Json:
    first, last = split_name(name) if name and name != company else (name, "")
    found = {"first_name": first, "last_name": last, "line3": "", "company": company, "email": email}
    found |= {ours: shapes.text(shapes.get(place, theirs)) for ours, theirs in _PLACES.items()}
    found["phone"] = shapes.text(phone)
    return {f"{prefix}_{key}": value[:255] for key, value in found.items()}


def _filled(place: Any) -> bool:
    return isinstance(place, dict) and any(isinstance(value, str) and value for value in place.values())
