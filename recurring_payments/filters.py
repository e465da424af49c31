"""Finding recurring payments. The state stands in the address."""

from __future__ import annotations

from datetime import date, timedelta

import django_filters
from django import forms
from django.db.models import F, OrderBy, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from common.filters import RecordFilter, midnight, today
from common.text import storable
from contacts.models import Contact
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
_NAME = Concat("name", Value(""))
_BY_NAME = {"name": [_NAME.asc(), F("id").asc()], "-name": [_NAME.desc(), F("id").desc()]}


def _day() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class RecurringPaymentFilter(RecordFilter):
    who = django_filters.CharFilter(method="by_who")
    product = django_filters.CharFilter(method="by_product")
    status = django_filters.ChoiceFilter(method="by_status", choices=STATUSES, empty_label="All statuses")
    next = django_filters.ChoiceFilter(method="by_next", choices=PERIODS, empty_label="Next payment any time")
    interval = django_filters.ChoiceFilter(
        field_name="billing_interval", choices=INTERVALS, empty_label="All intervals"
    )
    next_from = django_filters.DateFilter(method="by_next_from", widget=_day())
    next_to = django_filters.DateFilter(method="by_next_to", widget=_day())

    AMOUNT = "payment_amount"
    RARE = (*RecordFilter.RARE, "next_from", "next_to")
    NAMES = RecordFilter.NAMES | {
        "status": "Status",
        "next": "Next payment",
        "interval": "Billing interval",
        "next_from": "Next payment from",
        "next_to": "Next payment to",
        "least": "Smallest amount",
        "most": "Largest amount",
    }

    class Meta:
        model = RecurringPayment
        fields: list[str] = []

    def by_who(self, found: QuerySet[RecurringPayment], name: str, value: str) -> QuerySet[RecurringPayment]:
        """Those of contacts whose name, address or phone contains every word."""
        return found.filter(contact__in=Contact.objects.search(storable(value)[:200]).values("pk"))

    def by_product(self, found: QuerySet[RecurringPayment], name: str, value: str) -> QuerySet[RecurringPayment]:
        """The name tells every product of the payment."""
        return found.filter(name__icontains=storable(value)[:200])

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
        now, began = timezone.now(), today()
        if value == "overdue":
            return found.filter(next_payment_date__lt=now)
        if value == "today":
            return found.filter(next_payment_date__gte=began, next_payment_date__lt=began + timedelta(days=1))
        return found.filter(next_payment_date__gte=now, next_payment_date__lt=began + timedelta(days=int(value) + 1))

    def by_next_from(self, found: QuerySet[RecurringPayment], name: str, value: date) -> QuerySet[RecurringPayment]:
        return found.filter(next_payment_date__gte=midnight(value))

    def by_next_to(self, found: QuerySet[RecurringPayment], name: str, value: date) -> QuerySet[RecurringPayment]:
        """The day itself is part of it."""
        return found.filter(next_payment_date__lt=midnight(value) + timedelta(days=1))


def ordering(name: str, *, by_product: bool = False) -> tuple[str, list[OrderBy]]:
    """(the sort in force, its order); the next payment first for a name we do not know.

    `by_product`: only rows with a word in their names are looked for. They lie together in the index of names, so that
    walking it would read nearly all rows before the first of them: then the order is one that no index has.
    """
    known = name if name in SORTS else NEXT
    if by_product and known in _BY_NAME:
        return known, _BY_NAME[known]
    return known, SORTS[known]
