"""Finding recurring payments. The state stands in the address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from django.db.models import F, OrderBy, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from common.filters import RecordFilter, distinct, today
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


class RecurringPaymentFilter(RecordFilter):
    product = django_filters.CharFilter(method="by_product")
    status = django_filters.ChoiceFilter(method="by_status", choices=STATUSES, empty_label="All statuses")
    next = django_filters.ChoiceFilter(method="by_next", choices=PERIODS, empty_label="Next payment any time")
    interval = django_filters.ChoiceFilter(
        field_name="billing_interval", choices=INTERVALS, empty_label="All intervals"
    )
    account = django_filters.ChoiceFilter(field_name="account", empty_label="All accounts")

    AMOUNT = "payment_amount"
    RARE = (*RecordFilter.RARE, "account")
    NAMES = RecordFilter.NAMES | {
        "status": "Status",
        "next": "Next payment",
        "interval": "Billing interval",
        "account": "Account",
        "least": "Smallest amount",
        "most": "Largest amount",
    }

    class Meta:
        model = RecurringPayment
        fields: list[str] = []

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        origins = distinct(RecurringPayment, "source", "account")
        self.offer("source", sorted({source for source, _ in origins}))
        self.offer("account", sorted({account for _, account in origins}))
        self.offer("currency", (code for (code,) in distinct(RecurringPayment, "currency")))

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
        now, midnight = timezone.now(), today()
        if value == "overdue":
            return found.filter(next_payment_date__lt=now)
        if value == "today":
            return found.filter(next_payment_date__gte=midnight, next_payment_date__lt=midnight + timedelta(days=1))
        return found.filter(next_payment_date__gte=now, next_payment_date__lt=midnight + timedelta(days=int(value) + 1))


def ordering(name: str) -> tuple[str, list[OrderBy]]:
    """(the sort in force, its order); the next payment first for a name we do not know."""
    known = name if name in SORTS else NEXT
    return known, SORTS[known]
