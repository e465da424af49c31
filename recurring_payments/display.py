"""What people read of a recurring payment: each field as text, its status as a badge, its page at the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from babel.dates import format_datetime
from babel.numbers import format_decimal
from django.utils import timezone
from django.utils.translation import gettext

from common.fields import FieldType
from common.formats import country_name, day_text, duration_text, money_text, reader_locale
from recurring_payments.fields import SOURCES, STRIPE, RecurringField
from recurring_payments.models import Interval, PaymentStatus, RecurringPayment, Status

DASH = "–"
PAST_DUE = "past_due"
_BADGES = {
    Status.ACTIVE: "ok",
    Status.PENDING: "info",
    Status.PAYMENT_FAILED: "bad",
    Status.PAUSED: "neutral",
    Status.CANCELLED: "neutral",
    Status.EXPIRED: "neutral",
}


@dataclass(frozen=True)
class Shown:
    """A field of one row as the page shows it. `exact` is the time behind a date; `url` makes the text a link."""

    field: RecurringField
    text: str
    exact: str = ""
    machine: str = ""
    url: str = ""
    bad: bool = False


def is_empty(field: RecurringField, row: RecurringPayment) -> bool:
    """Whether there is nothing to show. No and 0 are answers, not gaps."""
    value = getattr(row, field.key)
    return value is None or value == "" or value == []


def display(field: RecurringField, row: RecurringPayment) -> str:
    """The value as people read it: «€49.00», «Dec 1, 2026», «1 month», «No end», «Spain», «Yes»; a dash for nothing."""
    if is_empty(field, row):
        return DASH
    value = getattr(row, field.key)
    if field.look in _LOOKS:
        return _LOOKS[field.look](value, row)
    match field.type:
        case FieldType.MONEY:
            return money_text(value, row.currency)
        case FieldType.DATETIME | FieldType.DATE:
            return day_text(value)
        case FieldType.BOOLEAN:
            return gettext("Yes") if value else gettext("No")
        case FieldType.LIST:
            return ", ".join(value)
        case FieldType.NUMBER:
            return format_decimal(value, locale=reader_locale())
    return str(value)


def shown(field: RecurringField, row: RecurringPayment) -> Shown:
    value = getattr(row, field.key)
    text = display(field, row)
    if isinstance(value, datetime):
        exact = format_datetime(timezone.localtime(value), "long", locale=reader_locale())
        return Shown(field, text, exact, value.isoformat(timespec="seconds"))
    url = value if field.look == "link" and str(value).startswith("https://") else ""
    return Shown(field, text, url=url, bad=field.look == "payment" and value == PaymentStatus.DECLINED)


def split(fields: Iterable[RecurringField], row: RecurringPayment) -> tuple[list[Shown], list[Shown]]:
    """(the fields with a value, the empty ones), both in the order given."""
    filled: list[Shown] = []
    empty: list[Shown] = []
    for field in fields:
        (empty if is_empty(field, row) else filled).append(shown(field, row))
    return filled, empty


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


def source_name(source: str) -> str:
    return SOURCES.get(source, source.capitalize())


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


def _month(value: date, row: RecurringPayment) -> str:
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
    "month": _month,
    "country": lambda value, row: country_name(value),
    "source": lambda value, row: source_name(value),
    "words": _words,
    "link": lambda value, row: gettext("Open invoice"),
}
