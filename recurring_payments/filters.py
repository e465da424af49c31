"""Finding recurring payments. The state stands in the address."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import django_filters
from django import forms
from django.db import connection
from django.db.models import F, OrderBy, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from common.money import digits
from common.record_fields import source_name
from common.text import storable
from recurring_payments.display import PAST_DUE
from recurring_payments.models import RecurringPayment, Status

STATUSES = [
    ("active", "Active"),
    ("trial", "In trial"),
    ("pending", "Pending"),
    ("past_due", "Past due"),
    ("payment_failed", "Payment failed or past due"),
    ("paused", "Paused"),
    ("cancelling", "Active, will cancel"),
    ("cancelled", "Cancelled"),
    ("expired", "Expired"),
]
INTERVALS = [("DAILY", "Daily"), ("WEEKLY", "Weekly"), ("MONTHLY", "Monthly"), ("YEARLY", "Yearly")]
PERIODS = [
    ("overdue", "Next payment overdue"),
    ("today", "Next payment today"),
    ("7", "Next payment in 7 days"),
    ("30", "Next payment in 30 days"),
    ("90", "Next payment in 90 days"),
    ("none", "No next payment"),
]
NEXT = "next"
# Amounts of several currencies cannot be compared: within each currency. The orders the indexes of the table have.
SORTS: dict[str, list[OrderBy]] = {
    NEXT: [F("next_payment_date").asc(), F("id").asc()],
    "-next": [F("next_payment_date").desc(nulls_last=True), F("id").desc()],
    "amount": [F("currency").asc(), F("payment_amount").asc(), F("id").asc()],
    "-amount": [F("currency").desc(), F("payment_amount").desc(), F("id").desc()],
    "start": [F("start_date").asc(), F("id").asc()],
    "-start": [F("start_date").desc(), F("id").desc()],
    "name": [F("name").asc(), F("id").asc()],
    "-name": [F("name").desc(), F("id").desc()],
}
_BIGGEST = 2**63 - 1


class RecurringPaymentFilter(django_filters.FilterSet):
    product = django_filters.CharFilter(method="by_product")
    status = django_filters.ChoiceFilter(method="by_status", choices=STATUSES, empty_label="All statuses")
    next = django_filters.ChoiceFilter(method="by_next", choices=PERIODS, empty_label="Next payment any time")
    interval = django_filters.ChoiceFilter(
        field_name="billing_interval", choices=INTERVALS, empty_label="All intervals"
    )
    source = django_filters.ChoiceFilter(field_name="source", empty_label="All sources")
    account = django_filters.ChoiceFilter(field_name="account", empty_label="All accounts")
    mode = django_filters.ChoiceFilter(
        method="by_mode", choices=[("live", "Live"), ("test", "Test")], empty_label="Live and test"
    )
    currency = django_filters.ChoiceFilter(field_name="currency", empty_label="All currencies")
    least = django_filters.NumberFilter(method="unfiltered", min_value=0, max_digits=18, decimal_places=3)
    most = django_filters.NumberFilter(method="unfiltered", min_value=0, max_digits=18, decimal_places=3)
    contact = django_filters.NumberFilter(field_name="contact_id", min_value=1, max_value=_BIGGEST, decimal_places=0)

    NAMES = {
        "status": "Status",
        "next": "Next payment",
        "interval": "Billing interval",
        "source": "Source",
        "account": "Account",
        "mode": "Mode",
        "currency": "Currency",
        "least": "Smallest amount",
        "most": "Largest amount",
    }

    class Meta:
        model = RecurringPayment
        fields: list[str] = []

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        # Read once: a choice drawn from the database would ask it again to check the answer.
        origins = distinct("source", "account")
        sources = sorted({source for source, _ in origins})
        self.filters["source"].extra["choices"] = [(source, source_name(source)) for source in sources]
        self.filters["account"].extra["choices"] = [(account, account) for account in sorted({a for _, a in origins})]
        self.filters["currency"].extra["choices"] = [(code, code) for (code,) in distinct("currency") if code]

    def by_product(self, found: QuerySet[RecurringPayment], name: str, value: str) -> QuerySet[RecurringPayment]:
        words = storable(value)[:200]
        return found.filter(Q(name__icontains=words) | Q(line_item_names__contains=[words]))

    def by_status(self, found: QuerySet[RecurringPayment], name: str, value: str) -> QuerySet[RecurringPayment]:
        if value == "past_due":
            return found.filter(normalized_status=Status.PAYMENT_FAILED, store_status=PAST_DUE)
        if value == "trial":
            return found.filter(normalized_status=Status.ACTIVE, is_trial=True)
        if value == "cancelling":
            return found.filter(normalized_status=Status.ACTIVE, cancel_at_period_end=True)
        return found.filter(normalized_status=value.upper())

    def by_next(self, found: QuerySet[RecurringPayment], name: str, value: str) -> QuerySet[RecurringPayment]:
        if value == "none":
            return found.filter(next_payment_date=None)
        now, today = timezone.now(), _today()
        if value == "overdue":
            return found.filter(next_payment_date__lt=now)
        if value == "today":
            return found.filter(next_payment_date__gte=today, next_payment_date__lt=today + timedelta(days=1))
        return found.filter(next_payment_date__gte=now, next_payment_date__lt=today + timedelta(days=int(value) + 1))

    def by_mode(self, found: QuerySet[RecurringPayment], name: str, value: str) -> QuerySet[RecurringPayment]:
        return found.filter(is_test=value == "test")

    def unfiltered(self, found: QuerySet[RecurringPayment], name: str, value: Decimal) -> QuerySet[RecurringPayment]:
        """An amount means something with its currency only: `filter_queryset` looks at both."""
        return found

    def filter_queryset(self, queryset: QuerySet[RecurringPayment]) -> QuerySet[RecurringPayment]:
        found: QuerySet[RecurringPayment] = super().filter_queryset(queryset)
        chosen = self.form.cleaned_data
        if currency := chosen.get("currency"):
            if (least := chosen.get("least")) is not None:
                found = found.filter(payment_amount__gte=_minor(least, currency, ROUND_CEILING))
            if (most := chosen.get("most")) is not None:
                found = found.filter(payment_amount__lte=_minor(most, currency, ROUND_FLOOR))
        return found

    def get_form_class(self) -> type[forms.Form]:
        form_class: type[forms.Form] = super().get_form_class()
        for name, label in self.NAMES.items():
            form_class.base_fields[name].widget.attrs["aria-label"] = label
        for name, word in (("least", "From"), ("most", "To")):
            form_class.base_fields[name].widget.attrs |= {"placeholder": word, "step": "any", "inputmode": "decimal"}
        return form_class

    @property
    def is_set(self) -> bool:
        """Whether anything narrows the list down."""
        return any(self.data.get(name) for name in self.filters)

    @property
    def more_is_set(self) -> bool:
        """Whether one of the filters behind «More filters» is in force."""
        rare = ("source", "account", "mode", "currency", "least", "most")
        return any(self.data.get(name) for name in rare)

    @property
    def lacks_currency(self) -> bool:
        """Whether amounts were asked for without saying of which currency."""
        asked = any(self.data.get(name) for name in ("least", "most"))
        return asked and not self.form.cleaned_data.get("currency")


def ordering(name: str) -> tuple[str, list[OrderBy]]:
    """(the sort in force, its order); the next payment first for a name we do not know."""
    known = name if name in SORTS else NEXT
    return known, SORTS[known]


def distinct(*columns: str) -> list[tuple[str, ...]]:
    """The different values of the leading columns of an index, by jumping from one to the next.

    DISTINCT would read every row. Source: PostgreSQL wiki, "Loose indexscan".
    """
    known = {field.name: str(field.column) for field in RecurringPayment._meta.concrete_fields}
    quoted = [connection.ops.quote_name(known[name]) for name in columns]
    table, names = connection.ops.quote_name(RecurringPayment._meta.db_table), ", ".join(quoted)
    of_found = ", ".join(f"found.{name}" for name in quoted)
    statement = f"""
        WITH RECURSIVE found AS (
            (SELECT {names} FROM {table} ORDER BY {names} LIMIT 1)
            UNION ALL
            SELECT later.* FROM found CROSS JOIN LATERAL (
                SELECT {names} FROM {table} WHERE ({names}) > ({of_found}) ORDER BY {names} LIMIT 1
            ) later
        )
        SELECT {names} FROM found LIMIT 200"""  # noqa: S608  (only names of columns)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[str, ...]] = cursor.fetchall()
    return rows


def _today() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _minor(amount: Decimal, currency: str, rounding: str) -> int:
    """In the smallest unit, rounded into the range asked for."""
    whole = amount.scaleb(digits(currency)).to_integral_value(rounding)
    return min(int(whole), _BIGGEST)
