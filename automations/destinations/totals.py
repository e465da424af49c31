"""Totals and counts of a contact, from the rows as they are now: what it paid, how often, what runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import Count, Sum

from common import fields as catalogue
from common.fields import Field, FieldType
from common.money import to_major
from contacts.models import Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment, Status

CATALOGUE = "totals"
PAID, KEPT = "total_paid_", "total_kept_"
_GROUP = "Totals"
# Each currency once by an index, however many orders there are.
_CURRENCIES = """
with recursive found as (
    (select currency from orders_order where currency > '' order by currency limit 1)
    union all
    select (select o.currency from orders_order o where o.currency > f.currency order by o.currency limit 1)
    from found f where f.currency is not null
) select currency from found where currency is not null"""


def register() -> None:
    catalogue.register(CATALOGUE, total_fields)


def total_fields() -> Iterable[Field]:
    yield Field("payments", "Number of payments", FieldType.NUMBER, _GROUP, "3")
    yield Field("active_recurring_payments", "Number of active recurring payments", FieldType.NUMBER, _GROUP, "1")
    for code in currencies():
        yield Field(f"{PAID}{code}", f"Total paid in {code.upper()}", FieldType.NUMBER, _GROUP, "147.00")
        label = f"Total paid in {code.upper()}, minus refunds"
        yield Field(f"{KEPT}{code}", label, FieldType.NUMBER, _GROUP, "147.00")


def currencies() -> list[str]:
    """Those that orders have, in lower case."""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENCIES)
        return sorted({code.lower() for (code,) in cursor.fetchall()})


def values(contact: Contact) -> dict[str, Any]:
    """Key -> int, or Decimal in the currency's major unit. What is not there counts as 0."""
    received = Order.objects.filter(contact=contact).received().values("currency")
    rows = received.annotate(count=Count("pk"), paid=Sum("total"), refunds=Sum("refunded")).order_by()
    found: dict[str, Any] = {"payments": 0}
    for row in rows:
        code = row["currency"].lower()
        found["payments"] += row["count"]
        found[f"{PAID}{code}"] = found.get(f"{PAID}{code}", 0) + to_major(row["paid"], code)
        found[f"{KEPT}{code}"] = found.get(f"{KEPT}{code}", 0) + to_major(row["paid"] - row["refunds"], code)
    active = RecurringPayment.objects.filter(contact=contact, normalized_status=Status.ACTIVE)
    return found | {"active_recurring_payments": active.count()}
