"""Products, prices, coupons, discounts, and the legacy plan twin of a recurring price."""

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from ..forms import Json

if TYPE_CHECKING:
    from ..book import Book


def product(book: "Book", name: str, **given: Any) -> Json:
    return {
        "id": given.get("id") or book.new_id("prod"),
        "object": "product",
        "active": given.get("active", True),
        "created": book.now(),
        "default_price": given.get("default_price"),
        "description": given.get("description"),
        "images": [],
        "livemode": book.livemode,
        "marketing_features": [],
        "metadata": given.get("metadata") or {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "tax_details": None,
        "type": "service",
        "unit_label": given.get("unit_label"),
        "updated": book.now(),
        "url": None,
    }


def price(book: "Book", product_id: str, unit_amount: int | None, currency: str, **given: Any) -> Json:
    """A price. With `interval` (day, week, month, year) it recurs; `usage_type` metered leaves quantities out.

    A fraction of the smallest unit is given as `unit_amount_decimal`; tiers are kept beside the price, as at Stripe,
    where they come only when asked for.
    """
    recurring, fraction = None, given.get("unit_amount_decimal")
    if given.get("interval"):
        recurring = {
            "interval": given["interval"],
            "interval_count": int(given.get("interval_count") or 1),
            "meter": given.get("meter"),
            "trial_period_days": None,
            "usage_type": given.get("usage_type") or "licensed",
        }
    return {
        "id": given.get("id") or book.new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": given.get("billing_scheme") or "per_unit",
        "created": book.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": book.livemode,
        "lookup_key": given.get("lookup_key"),
        "metadata": given.get("metadata") or {},
        "nickname": given.get("nickname"),
        "product": product_id,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": (given.get("tiers_mode") or "graduated") if given.get("billing_scheme") == "tiered" else None,
        "transform_quantity": given.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount) if unit_amount is not None else fraction,
    }


@dataclass(frozen=True)
class Part:
    """What an invoice bills in one line: all of an item, or its share of one tier. `amount`: smallest unit."""

    quantity: int
    amount: int
    unit_amount_decimal: str | None


def parts(price: Json, quantity: int, tiers: list[Json]) -> list[Part]:
    """The lines that so many of a price make. Graduated tiers ({up_to, unit_amount, flat_amount}) make one each, and a
    flat fee one over a quantity of nothing; by volume all is billed in the last tier that is reached.
    """
    if price["billing_scheme"] != "tiered":
        part = _part(_packages(price, quantity), price["unit_amount_decimal"] or "0")
        return [replace(part, quantity=quantity)]
    found: list[Part] = []
    below = 0
    for tier in tiers:
        ceiling = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if ceiling > below:
            if price["tiers_mode"] == "volume":
                found, below = [], 0
            found.append(_part(ceiling - below, str(tier["unit_amount"])))
            if tier.get("flat_amount"):
                found.append(Part(0, int(tier["flat_amount"]), str(tier["flat_amount"])))
            below = ceiling
    return found


def _packages(price: Json, quantity: int) -> int:
    """Units that are charged for: packages, where a price counts by them."""
    package = price["transform_quantity"]
    if not package:
        return quantity
    full, rest = divmod(quantity, int(package["divide_by"]))
    return full + bool(rest and package["round"] == "up")


def _part(quantity: int, each: str) -> Part:
    return Part(quantity, int((Decimal(each) * quantity).quantize(Decimal(1), ROUND_HALF_UP)), each)


def tax_rate(book: "Book", percentage: float) -> Json:
    """A tax on top of the price."""
    return {
        "id": book.new_id("txr"),
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": book.now(),
        "description": None,
        "display_name": "VAT",
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": False,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": book.livemode,
        "metadata": {},
        "percentage": percentage,
        "rate_type": "percentage",
        "state": None,
        "tax_type": "vat",
    }


def plan_of(price: Json) -> Json:
    """The legacy plan that Stripe still sends beside a recurring price."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type"),
    }


def coupon(book: "Book", **given: Any) -> Json:
    """A coupon: `percent_off`, or `amount_off` with `currency`."""
    amount = given.get("amount_off")
    percent = given.get("percent_off")
    return {
        "id": given.get("id") or book.new_id("coupon").partition("_")[2][:8],
        "object": "coupon",
        "amount_off": int(amount) if amount else None,
        "created": book.now(),
        "currency": given.get("currency") if amount else None,
        "duration": given.get("duration") or "once",
        "duration_in_months": int(given["duration_in_months"]) if given.get("duration_in_months") else None,
        "livemode": book.livemode,
        "max_redemptions": None,
        "metadata": given.get("metadata") or {},
        "name": given.get("name"),
        "percent_off": float(percent) if percent else None,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def discount(book: "Book", coupon_id: str, customer: str, subscription: str | None = None) -> Json:
    """A coupon at work. Since clover its coupon stands under `source`."""
    return {
        "id": book.new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "created": book.now(),
        "customer": customer,
        "customer_account": None,
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": book.now(),
        "subscription": subscription,
        "subscription_item": None,
    }


def amount_off(coupon: Json, amount: int) -> int:
    """What a coupon takes off `amount`, in the smallest unit of the currency."""
    if coupon["percent_off"]:
        return round(amount * float(coupon["percent_off"]) / 100)
    return min(amount, int(coupon["amount_off"] or 0))
