"""Orders as the rows of an export, in the shape that docs/contract fixes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from common.money import as_text
from common.streaming import by_key
from contacts.export import utc
from orders.models import Order

AMOUNTS = ("total", "tax", "discount", "shipping", "refunded")
COLUMNS = ("source", "account", "external_id", "contact_email", "status", "currency", *AMOUNTS, "items", "placed_at")


def order_rows(chosen: QuerySet[Order] | None = None) -> Iterator[dict[str, Any]]:
    """One dict an order with the keys of COLUMNS, in order of id.

    Amounts are decimal strings in the major unit, times ISO 8601 UTC; what is missing is None.
    """
    rows = Order.objects.all() if chosen is None else chosen
    return map(_row, by_key(rows.select_related("contact").prefetch_related("items")))


def flat_order(row: dict[str, Any]) -> dict[str, Any]:
    """An order's row for a spreadsheet: its items as «2 × Mug»."""
    return row | {"items": [f"{item['quantity']} × {item['name'] or item['sku'] or ''}" for item in row["items"]]}


def _row(order: Order) -> dict[str, Any]:
    return {
        "source": order.source,
        "account": order.account,
        "external_id": order.external_id,
        "contact_email": (order.contact.email or None) if order.contact else None,
        "status": order.status,
        "currency": order.currency or None,
        **{name: as_text(getattr(order, name), order.currency) for name in AMOUNTS},
        "items": [
            {
                "name": item.name or None,
                "sku": item.sku or None,
                "quantity": item.quantity,
                "amount": as_text(item.amount, order.currency),
            }
            for item in order.items.all()
        ],
        "placed_at": utc(order.placed_at),
    }
