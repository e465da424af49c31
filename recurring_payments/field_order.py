"""The one order of fields of the whole workspace. The widget shows its first five, the drawer all of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Subquery

from recurring_payments.fields import BY_KEY, FIELDS, RecurringField
from recurring_payments.models import FieldOrder

ON_CONTACT = 5
_ONLY = 1  # there is one order, so one row
_FIRST = (
    "next_payment_date",
    "last_payment_date",
    "last_payment_status",
    "start_date",
    "total_cycles",
    "billing_interval",
    "payment_amount",
)
DEFAULT = (*_FIRST, *(field.key for field in FIELDS if field.key not in _FIRST))


def ordered_fields() -> list[RecurringField]:
    """Every field, as the workspace ordered them. One query."""
    held = FieldOrder.objects.filter(pk=_ONLY).values_list("keys", flat=True).first()
    return [BY_KEY[key] for key in complete(held or ())]


def first_keys() -> Subquery:
    """The beginning of the stored order, to ride along with another query; give it to `shown_on_contact`."""
    # More than five: fields that are gone may be among them.
    return Subquery(FieldOrder.objects.filter(pk=_ONLY).values("keys__0_20"))


def shown_on_contact(keys: Iterable[str] | None) -> list[RecurringField]:
    """The first five fields of an order that begins with these keys."""
    return [BY_KEY[key] for key in complete(keys or ())[:ON_CONTACT]]


def complete(keys: Iterable[str]) -> list[str]:
    """Each known key once: those given in their order, then the others as by default. Unknown ones are dropped."""
    return list(dict.fromkeys(key for key in (*keys, *DEFAULT) if key in BY_KEY))


@transaction.atomic
def put(keys: Iterable[str]) -> list[str]:
    """Replace the whole order; what it is now."""
    order = _locked()
    order.keys = complete(keys)
    order.save()
    return order.keys


@transaction.atomic
def move(key: str, steps: int) -> list[str]:
    """One field up (-1) or down (+1) from where it stands now, whatever the page showed; what the order is now."""
    order = _locked()
    keys = complete(order.keys)
    if key in keys:
        place = keys.index(key)
        keys.insert(max(0, min(len(keys) - 1, place + steps)), keys.pop(place))
    order.keys = keys
    order.save()
    return keys


def _locked() -> FieldOrder:
    """The row, held until the transaction ends; made if this is the first time."""
    FieldOrder.objects.get_or_create(pk=_ONLY)
    return FieldOrder.objects.select_for_update().get(pk=_ONLY)
