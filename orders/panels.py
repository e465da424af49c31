"""The cards on a contact's page: the newest orders, and what they brought."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, JSONField, Window
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from contacts import panels
from contacts.models import Contact
from orders.display import shown
from orders.field_order import ORDER
from orders.models import RECEIVED, Order, Status

NEWEST = 5
# Per currency, as amounts of different currencies are never added up; the most used one first.
_LIFETIME = """(
    SELECT jsonb_agg(one ORDER BY one.count DESC, one.currency) FROM (
        SELECT currency, count(*) AS count, sum(total - refunded) AS kept, sum(refunded) AS refunds,
            coalesce(sum(total - refunded) FILTER (WHERE status = %s), 0) AS disputed
        FROM orders_order WHERE contact_id = %s AND status = ANY(%s) GROUP BY currency
    ) one
)"""


def register() -> None:
    panels.register(panels.Panel("orders", "Orders", "orders/_widget.html", _orders, order=110))
    panels.register(
        panels.Panel(
            "lifetime_value", "Lifetime value", "orders/_lifetime_value.html", _lifetime_value, order=15, column="side"
        )
    )


def _orders(contact: Contact, request: HttpRequest) -> dict[str, Any] | None:
    if not (newest := _newest(contact)):
        return None
    fields = ORDER.shown_on_contact(newest[0].field_keys)
    orders = [(order, [value for field in fields if not (value := shown(field, order)).empty]) for order in newest]
    return {"orders": orders, "count": newest[0].among}


def _lifetime_value(contact: Contact, request: HttpRequest) -> dict[str, Any] | None:
    """Paid minus refunded."""
    newest = _newest(contact)
    return {"currencies": newest[0].lifetime} if newest and newest[0].lifetime else None


def _newest(contact: Contact) -> list[Any]:
    """The newest orders, one query for both cards: number and value of all, and the field order, ride along."""
    if "newest_orders" not in vars(contact):
        lifetime = RawSQL(  # noqa: S611 - values are parameters
            _LIFETIME, [Status.DISPUTED.value, contact.pk, [status.value for status in RECEIVED]], JSONField()
        )
        found = (
            Order.objects.filter(contact=contact)
            .with_parts()
            .annotate(among=Window(Count("*")), lifetime=lifetime, field_keys=ORDER.first_keys())
        )
        vars(contact)["newest_orders"] = list(found.newest()[:NEWEST])
    known: list[Any] = vars(contact)["newest_orders"]
    return known
