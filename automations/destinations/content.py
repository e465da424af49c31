"""What is sent, made of the fields that were chosen: values as JSON has them, put in leaf by leaf."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

from automations.destinations import totals
from common import fields as catalogue
from common.fields import Field, FieldType
from common.money import to_major
from contacts.models import Contact
from orders.fields import FIELDS as ORDER_FIELDS
from orders.models import Order
from recurring_payments.fields import FIELDS as RECURRING_FIELDS
from recurring_payments.models import RecurringPayment

EVENT = "event"
CATALOGUES = ("contact", "recurring_payment", "order", EVENT, totals.CATALOGUE)
_EVENT_FIELDS = (
    Field("type", "Type of the event", group="Event", example="invoice.payment_failed"),
    Field("summary", "What happened, in a sentence", group="Event"),
    Field("occurred_at", "When it happened", FieldType.DATETIME, "Event"),
)
_MISSING = object()


def register() -> None:
    catalogue.register(EVENT, lambda: _EVENT_FIELDS)


@dataclass
class Subject:
    """Whom and what a delivery is about."""

    contact: Contact
    recurring_payment: RecurringPayment | None = None
    order: Order | None = None
    event: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def totals(self) -> dict[str, Any]:
        return totals.values(self.contact)

    @cached_property
    def whole_order(self) -> Order | None:
        return Order.objects.with_parts().get(pk=self.order.pk) if self.order else None

    @cached_property
    def contact_types(self) -> dict[str, FieldType]:
        return {key: one.type for key, one in catalogue.catalogue("contact").items()}


def flat(mapping: Iterable[Mapping[str, str]], subject: Subject, *, stamps: bool = False) -> dict[str, Any]:
    """{name: value}. `stamps`: times as Unix seconds, as Customer.io wants them, else ISO 8601.

    What the trigger did not bring is left out, so that it overwrites nothing; what is empty is null.
    """
    found = {row["to"]: _value(row["from"], subject) for row in mapping}
    return {name: _plain(value, stamps=stamps) for name, value in found.items() if value is not _MISSING}


def nested(mapping: Iterable[Mapping[str, str]], subject: Subject) -> dict[str, Any]:
    """The same, where "customer.email" stands inside "customer"."""
    tree: dict[str, Any] = {}
    for name, value in flat(mapping, subject).items():
        *parents, leaf = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return tree


def crossing(names: Iterable[str]) -> str:
    """A name that would be a value and a group of values at once; "" if there is none."""
    listed = list(names)
    return next((one for one in listed if any(other.startswith(f"{one}.") for other in listed)), "")


def as_json(value: Any) -> str:
    """One way of writing it, so that the same value is the same bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _value(source: str, subject: Subject) -> Any:
    root, _, key = source.partition(".")
    match root:
        case "contact":
            return _of_contact(key, subject)
        case "recurring_payment" if subject.recurring_payment:
            return _of_record(RECURRING_FIELDS, key, subject.recurring_payment)
        case "order" if subject.whole_order:
            return _of_record(ORDER_FIELDS, key, subject.whole_order)
        case "event" if key in subject.event:
            return subject.event[key]
        case "totals":
            return subject.totals.get(key, 0)
    return _MISSING


def _of_contact(key: str, subject: Subject) -> Any:
    value = subject.contact.value(key)
    kind = subject.contact_types.get(key)
    if value and kind in (FieldType.DATE, FieldType.DATETIME):
        return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    return None if value == "" else value


def _of_record(fields: Iterable[Any], key: str, row: RecurringPayment | Order) -> Any:
    declared = next((one for one in fields if one.key == key), None)
    if declared is None:
        return _MISSING
    value: Any = getattr(row, key, _MISSING)
    if value is _MISSING:
        return _references(row, key)
    if declared.type == FieldType.MONEY and value is not None:
        return to_major(value, row.currency)
    return None if value == "" else value


def _references(row: RecurringPayment | Order, kind: str) -> Any:
    """The ids at the source that are this purchase, of one kind."""
    keys = getattr(row, "reference_keys", [])
    return [key.partition(":")[2] for key in keys if key.startswith(f"{kind}:")]


def _plain(value: Any, *, stamps: bool) -> Any:
    match value:
        case datetime():
            moment = value.astimezone(UTC)
            return int(moment.timestamp()) if stamps else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return int(datetime.combine(value, time(), UTC).timestamp()) if stamps else value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case list() | tuple():
            return [_plain(one, stamps=stamps) for one in value]
        case str() if stamps and len(value) >= 20 and value[10:11] == "T":
            return _stamp(value)
    return value


def _stamp(text: str) -> Any:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return text
