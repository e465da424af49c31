"""What a mail may say, as plain values: text, numbers, yes or no. Made anew for each mail, read from nothing later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.conf import settings

from campaigns import tags
from campaigns.models import DeliverySettings
from common.fields import Field, FieldType
from common.formats import amounts_as_read, day_text, money_text
from common.record_fields import DASH, RecordField, is_empty
from contacts.fields import fields_of
from contacts.models import Contact
from orders.display import display as order_text
from orders.fields import FIELDS as ORDER_FIELDS
from orders.models import Order
from recurring_payments.display import display as recurring_text
from recurring_payments.fields import FIELDS as RECURRING_FIELDS
from recurring_payments.models import RecurringPayment

Values = dict[str, Any]


class YesNo:
    """Yes or no: reads as a word, decides as a condition."""

    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = value

    def __str__(self) -> str:
        return "Yes" if self._value else "No"

    def __liquid__(self) -> bool:
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == (other._value if isinstance(other, YesNo) else other)

    def __hash__(self) -> int:
        return hash(self._value)


def of_mail(
    contact: Contact,
    *,
    recurring_payment: RecurringPayment | None = None,
    order: Order | None = None,
    event: Mapping[str, Any] | None = None,
    unsubscribe_url: str = "",
    delivery: DeliverySettings | None = None,
    fields: list[Field] | None = None,
) -> Values:
    """Everything that the tags of one mail name. The order comes `with_parts`; `fields` saves reading them again."""
    delivery = delivery or DeliverySettings.current()
    return {
        "contact": of_contact(contact, fields_of(contact) if fields is None else fields),
        tags.RECURRING_PAYMENT: of_recurring_payment(recurring_payment) if recurring_payment else {},
        tags.ORDER: of_order(order) if order else {},
        tags.EVENT: of_event(event or {}),
        tags.WORKSPACE: {"name": settings.WORKSPACE_NAME, "address": delivery.postal_address},
        tags.UNSUBSCRIBE: unsubscribe_url,
    }


def samples() -> Values:
    """The same shape with the samples of the tags, for a preview without a contact."""
    values: Values = {}
    for tag in tags.tags():
        *parents, key = tag.path.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = YesNo(tag.sample == "Yes") if tag.sample in ("Yes", "No") else tag.sample
    values[tags.WORKSPACE]["name"] = settings.WORKSPACE_NAME
    values[tags.ORDER]["items"] = [{"name": "Pro plan", "sku": "pro-monthly", "quantity": 1, "amount": "€49.00"}]
    return values


def of_contact(contact: Contact, fields: list[Field]) -> Values:
    values: Values = {"name": contact.name, "fields": {}}
    for field in fields:
        shown = _typed(field, contact.value(field.key))
        if field.key.startswith("field:"):
            values["fields"][field.key.removeprefix("field:")] = shown
        else:
            values[field.key] = shown
    return values


def of_recurring_payment(row: RecurringPayment) -> Values:
    return {
        field.key: _of_record(field, getattr(row, field.key), recurring_text(field, row)) for field in RECURRING_FIELDS
    }


def of_order(order: Order) -> Values:
    values = {
        field.key: _of_record(field, getattr(order, field.key, None), order_text(field, order))
        for field in ORDER_FIELDS
    }
    values["items"] = [
        {
            "name": item.name,
            "sku": item.sku,
            "quantity": item.quantity,
            "amount": money_text(item.amount, order.currency),
        }
        for item in order.items.all()
    ]
    return values


def of_event(event: Mapping[str, Any]) -> Values:
    """Only plain values; what nests stays away. Times and amounts as a reader writes them."""
    values = {str(key): _plain(value) for key, value in event.items() if not isinstance(value, dict | list)}
    if isinstance(summary := values.get("summary"), str):
        values["summary"] = amounts_as_read(summary)
    return values


def _of_record(field: RecordField, value: Any, text: str) -> Any:
    """Numbers and yes or no keep what conditions compare; everything else is as the pages show it."""
    if field.type == FieldType.BOOLEAN and value is not None:
        return YesNo(bool(value))
    if field.type == FieldType.NUMBER and not is_empty(value) and field.look in ("", "id"):
        return value
    if field.look == "link":
        return value if str(value or "").startswith("https://") else ""
    return "" if text == DASH else text


def _typed(field: Field, value: Any) -> Any:
    if is_empty(value):
        return ""
    match field.type:
        case FieldType.BOOLEAN:
            return YesNo(bool(value))
        case FieldType.DATE:
            return day_text(date.fromisoformat(value))
        case FieldType.DATETIME:
            return day_text(datetime.fromisoformat(value))
        case FieldType.NUMBER | FieldType.MONEY:
            return value
    return str(value)


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return YesNo(value)
    if isinstance(value, str) and len(value) >= 20 and value[10:11] == "T":
        try:
            return day_text(datetime.fromisoformat(value))
        except ValueError:
            return value
    return value
