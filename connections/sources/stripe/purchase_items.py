"""What was bought: the lines of the invoice, else those of the checkout, else what the payment says it is for."""

from __future__ import annotations

from typing import Any

from connections.sources.base import Json
from connections.sources.stripe import shapes
from connections.sources.stripe.purchase_parts import Parts, integer
from orders.records import Item


def items_of(parts: Parts, total: int) -> tuple[Item, ...]:
    for held in (*parts.invoices[:1], *parts.sessions):
        lines = shapes.get(held.body, "lines" if held.type == "invoice" else "line_items", "data")
        found = tuple(_item(line) for line in lines or [] if isinstance(line, dict))
        if found:
            return found
    return (Item(_purpose(parts)[:500], "", 1, total),)


def _purpose(parts: Parts) -> str:
    told = (shapes.text(held.body.get("description")) for held in (*parts.paying, *parts.charges, *parts.intents))
    return next((text for text in told if text), "Payment")


def _item(line: Json) -> Item:
    price = line.get("price") or line.get("plan") or shapes.get(line, "pricing", "price_details", "price")
    quantity = integer(line.get("quantity"))
    amount = integer(line.get("amount"))
    return Item(
        name=(shapes.text(line.get("description")) or shapes.text(shapes.get(price, "nickname")))[:500],
        sku=_sku(price)[:255],
        quantity=quantity if quantity is not None and quantity >= 0 else 1,
        amount=(integer(line.get("amount_total")) if amount is None else amount) or 0,
    )


def _sku(price: Any) -> str:
    """The seller's own key of the price where there is one, else Stripe's id."""
    key = shapes.text(shapes.get(price, "lookup_key")) or shapes.text(shapes.get(price, "metadata", "sku"))
    return key or shapes.id_of(price)
