"""Orders in words for people: amounts, badges, each field as text, where they are at the source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext

from common import record_fields
from common.record_fields import STRIPE, RecordField, Shown, as_text, is_empty, source_name
from orders.fields import REFERENCES
from orders.models import Order, Status

BADGES = {
    Status.PENDING: "warn",
    Status.PAID: "ok",
    Status.FAILED: "bad",
    Status.PARTIALLY_REFUNDED: "info",
    Status.REFUNDED: "neutral",
    Status.DISPUTED: "bad",
    Status.CANCELLED: "neutral",
}
_STRIPE_PAGES = {"invoice": "invoices", "payment_intent": "payments", "charge": "payments"}


def status_badge(order: Order) -> tuple[str, str]:
    """(kind, word) of the badge."""
    status = Status(order.status)
    return BADGES[status], str(status.label)


def display(field: RecordField, order: Order) -> str:
    """The value as people read it; a dash for nothing. The order comes `with_parts`, here and below."""
    value = _value(field, order)
    match "" if is_empty(value) else field.look:
        case "status":
            return status_badge(order)[1]
        case "source":
            return source_name(value)
        case "link":
            return gettext("Open")
    return as_text(field, value, order.currency)


def shown(field: RecordField, order: Order) -> Shown:
    bad = field.look == "status" and status_badge(order)[0] == "bad"
    return record_fields.shown(field, _value(field, order), display(field, order), bad=bad)


def split(fields: Iterable[RecordField], order: Order) -> tuple[list[Shown], list[Shown]]:
    """(the fields with a value, the empty ones), both in the order given."""
    return record_fields.split(shown(field, order) for field in fields)


def references(order: Any, kind: str) -> list[str]:
    """The ids of this kind that are part of the purchase."""
    return [key.partition(":")[2] for key in order.reference_keys if key.partition(":")[0] == kind]


def source_url(order: Order) -> str:
    """Its page at the source, for people who may sign in there; "" where there is none."""
    if order.source != STRIPE or not order.account:
        return ""
    mode = "test/" if order.is_test else ""
    for kind, page in _STRIPE_PAGES.items():
        if known := references(order, kind):
            return f"https://dashboard.stripe.com/{order.account}/{mode}{page}/{known[-1]}"
    return ""


def _value(field: RecordField, order: Any) -> Any:
    if field.section == REFERENCES:
        return references(order, field.key)
    return getattr(order, field.key)
