"""What one item of a subscription costs by its price alone. Pure; amounts are in the currency's smallest unit."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from connections.sources.base import Json
from connections.sources.stripe import shapes
from connections.sources.stripe.billing import Billing, held_body, integer, next_item, whole


def price_of(item: Json) -> Json:
    """The price inside an item; where there is none, the plan that came before prices."""
    found = item.get("price") or item.get("plan")
    return found if isinstance(found, dict) else {}


def prices(billing: Billing) -> list[Json]:
    """The price of each item as it is now: what stands inside an item is as old as the subscription's last change."""
    return [_held(billing, item) for item in shapes.items(billing.subscription.body)]


def next_price(billing: Billing) -> Json:
    """The price of the item that bills next."""
    return _held(billing, next_item(billing.subscription.body))


def _held(billing: Billing, item: Json) -> Json:
    return held_body(billing, "price", price_of(item))


def recurrence(item: Json) -> Json:
    """`interval`, `interval_count` and `usage_type` of an item."""
    found = shapes.get(item, "price", "recurring") or item.get("plan")
    return found if isinstance(found, dict) else {}


def is_metered(item: Json) -> bool:
    """Is it billed by what was used, which only an invoice tells?"""
    return recurrence(item).get("usage_type") == "metered"


def quantity(item: Json) -> int | None:
    """How many are billed; 1 where an item does not say so, None for a metered one."""
    if is_metered(item):
        return None
    told = whole(item.get("quantity"))
    return 1 if told is None else told


def listed(item: Json) -> int | None:
    """Price times quantity, rounded half up as Stripe does; None where the price does not tell (tiered, metered)."""
    count, unit = quantity(item), _unit(item)
    if count is None or unit is None:
        return None
    return int((unit * _packages(item, count)).quantize(Decimal(1), ROUND_HALF_UP))


def _unit(item: Json) -> Decimal | None:
    """The price of one. A fraction of the smallest unit stands in the decimal twin alone."""
    for holder, amount, decimal in (
        ("price", "unit_amount", "unit_amount_decimal"),
        ("plan", "amount", "amount_decimal"),
    ):
        told = integer(shapes.get(item, holder, amount))
        if told is not None:
            return Decimal(told)
        if (fraction := _decimal(shapes.get(item, holder, decimal))) is not None:
            return fraction
    return None


def _decimal(value: object) -> Decimal | None:
    """A decimal string of at most so many digits as Stripe allows; None for anything else."""
    try:
        found = Decimal(value) if isinstance(value, str) and len(value) < 32 else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() and abs(found) < 2**63 else None


def _packages(item: Json, count: int) -> int:
    """Units that are charged for, where a price counts by packages."""
    package = shapes.get(item, "price", "transform_quantity") or shapes.get(item, "plan", "transform_usage") or {}
    size = whole(package.get("divide_by"))
    if not size:
        return count
    full, rest = divmod(count, size)
    return full + bool(rest and package.get("round") == "up")
