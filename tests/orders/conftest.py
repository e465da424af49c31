"""Orders as a source would have told them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from common.origin import Origin
from orders import records
from orders.records import Item, OrderRecord

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def order_record(
    number: int = 1,
    *,
    external_id: str = "",
    contact: int | None = None,
    references: tuple[str, ...] = (),
    at: int = 0,
    items: tuple[Item, ...] | None = None,
    silent: bool = False,
    is_test: bool = False,
    source: str = "stripe",
    account: str = "acct_1",
    **values: Any,
) -> OrderRecord:
    """A paid invoice of 49.00 EUR, `at` seconds after START, unless told otherwise."""
    external_id = external_id or f"in_{number}"
    moment = START + timedelta(seconds=at)
    told: dict[str, Any] = {
        "status": "paid",
        "currency": "EUR",
        "total": 4900,
        "tax": 782,
        "discount": 0,
        "shipping": 0,
        "refunded": 0,
        "email": "ana@example.com",
        "number": f"NW-{number:04}",
        "description": "Pro plan",
        "url": "",
        "placed_at": moment,
        "paid_at": moment,
    }
    told |= values
    return OrderRecord(
        source=source,
        account=account,
        is_test=is_test,
        external_id=external_id,
        contact_id=contact,
        references=references or (f"invoice:{external_id}",),
        values=told,
        items=(Item("Pro plan", "price_pro", 1, told["total"]),) if items is None else items,
        occurred_at=moment,
        origin=Origin.WEBHOOK,
        key=f"acct_1:evt_{number}",
        silent=silent,
    )


def bought(*told: OrderRecord) -> None:
    records.upsert(list(told))
