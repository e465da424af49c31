"""Recurring payments as the rows of an export, in the shape that docs/contract fixes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from common.fields import FieldType
from common.money import as_text
from common.streaming import by_key
from contacts.export import utc
from recurring_payments.fields import BY_KEY, SHARED_KEYS, RecurringField
from recurring_payments.models import RecurringPayment

COLUMNS = ("contact_email", "source", "account", *SHARED_KEYS)
_FIELDS = tuple(BY_KEY[key] for key in SHARED_KEYS)
_READ = ("contact__email", "source", "account", *SHARED_KEYS)


def recurring_payment_rows(chosen: QuerySet[RecurringPayment] | None = None) -> Iterator[dict[str, Any]]:
    """One dict a recurring payment with the keys of COLUMNS, in order of id.

    Amounts are decimal strings in the major unit, times ISO 8601 UTC, the expiration a date; what is missing is None.
    """
    rows = RecurringPayment.objects.all() if chosen is None else chosen
    return map(_row, by_key(rows.select_related("contact").only(*_READ)))


def _row(row: RecurringPayment) -> dict[str, Any]:
    return {
        "contact_email": (row.contact.email or None) if row.contact else None,
        "source": row.source,
        "account": row.account,
        **{field.key: _value(field, row) for field in _FIELDS},
    }


def _value(field: RecurringField, row: RecurringPayment) -> Any:
    value = getattr(row, field.key)
    if value is None or value == "":
        return None
    if field.type is FieldType.MONEY:
        return as_text(value, row.currency)
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.upper() if field.key == "currency" else value
