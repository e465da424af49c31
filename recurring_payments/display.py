"""What people read of a recurring payment: each field as text, its status as a badge, its page at the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from babel.numbers import format_decimal
from django.utils.translation import gettext

from common import record_fields
from common.formats import country_name, duration_text, money_text, reader_locale
from common.record_fields import DASH, STRIPE, Shown, as_text, is_empty, source_name
from recurring_payments.fields import RecurringField
from recurring_payments.models import Interval, PaymentStatus, RecurringPayment, Status

PAST_DUE = "past_due"
_BADGES = {
    Status.ACTIVE: "ok",
    Status.PENDING: "info",
    Status.PAYMENT_FAILED: "bad",
    Status.PAUSED: "neutral",
    Status.CANCELLED: "neutral",
    Status.EXPIRED: "neutral",
}


def display(field: RecurringField, row: RecurringPayment) -> str:
    """The value as people read it: «€49.00», «Dec 1, 2026», «1 month», «No end», «Spain», «Yes»; a dash for nothing."""
    value = getattr(row, field.key)
    if field.look in _LOOKS and not is_empty(value):
        return _LOOKS[field.look](value, row)
    return as_text(field, value, row.currency)


def shown(field: RecurringField, row: RecurringPayment) -> Shown:
    value = getattr(row, field.key)
    bad = field.look == "payment" and value == PaymentStatus.DECLINED
    return record_fields.shown(field, value, display(field, row), bad=bad)


def split(fields: Iterable[RecurringField], row: RecurringPayment) -> tuple[list[Shown], list[Shown]]:
    """(the fields with a value, the empty ones), both in the order given."""
    return record_fields.split(shown(field, row) for field in fields)


def status_badge(row: RecurringPayment) -> tuple[str, str]:
    """(kind of badge, word). A payment that failed and will be tried again is past due."""
    status = Status(row.normalized_status)
    if status is Status.PAYMENT_FAILED and row.store_status == PAST_DUE:
        return "warn", gettext("Past due")
    return _BADGES[status], status.label


def amount(row: RecurringPayment) -> str:
    return DASH if row.payment_amount is None else money_text(row.payment_amount, row.currency)


def per(row: RecurringPayment) -> str:
    """«/ month», «/ 3 months», or nothing where amount or interval is unknown."""
    if not row.billing_interval or row.payment_amount is None:
        return ""
    count, unit = row.billing_interval_count or 1, Interval(row.billing_interval).label
    return f"/ {unit if count == 1 else duration_text(count, unit)}"


def source_url(row: RecurringPayment) -> str:
    """Its page at the source, for people who may sign in there; "" where there is none."""
    if row.source != STRIPE or not row.account:
        return ""
    mode = "test/" if row.is_test else ""
    return f"https://dashboard.stripe.com/{row.account}/{mode}subscriptions/{row.store_recurring_payment_id}"


def _interval(value: str, row: RecurringPayment) -> str:
    return duration_text(row.billing_interval_count or 1, Interval(value).label)


def _cycles(value: int, row: RecurringPayment) -> str:
    return gettext("No end") if value == 0 else format_decimal(value, locale=reader_locale())


def expiration_text(value: date) -> str:
    """«08/2027», as it stands on the card."""
    return f"{value:%m/%Y}"


def _words(value: str, row: RecurringPayment) -> str:
    """«charge_automatically» -> «Charge automatically»."""
    return value.replace("_", " ").capitalize()


def _identifier(value: Any, row: RecurringPayment) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


_LOOKS: dict[str, Callable[[Any, RecurringPayment], str]] = {
    "id": _identifier,
    "status": lambda value, row: status_badge(row)[1],
    "payment": lambda value, row: PaymentStatus(value).label,
    "interval": _interval,
    "cycles": _cycles,
    "month": lambda value, row: expiration_text(value),
    "country": lambda value, row: country_name(value),
    "source": lambda value, row: source_name(value),
    "words": _words,
    "link": lambda value, row: gettext("Open invoice"),
}
