"""Finding orders. The state stands in the address."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import django_filters
from django import forms
from django.db import connection
from django.db.models import Exists, F, OrderBy, OuterRef, QuerySet
from django.http import QueryDict
from django.utils import timezone

from common.money import digits
from common.record_fields import source_name
from common.text import storable
from orders.models import Order, OrderItem, Status

PERIODS = [("1", "Placed today"), ("7", "Placed in 7 days"), ("30", "Placed in 30 days"), ("365", "Placed in a year")]
NEWEST = "-placed"
# Amounts of several currencies cannot be compared: within each currency. The orders the indexes of the table have.
SORTS: dict[str, list[OrderBy]] = {
    NEWEST: [F("placed_at").desc(), F("id").desc()],
    "placed": [F("placed_at").asc(), F("id").asc()],
    "total": [F("currency").asc(), F("total").asc(), F("id").asc()],
    "-total": [F("currency").desc(), F("total").desc(), F("id").desc()],
    "status": [F("status").asc(), F("placed_at").desc(), F("id").desc()],
    "-status": [F("status").desc(), F("placed_at").asc(), F("id").asc()],
}
_BIGGEST = 2**63 - 1


class OrderFilter(django_filters.FilterSet):
    product = django_filters.CharFilter(method="by_product")
    status = django_filters.ChoiceFilter(field_name="status", choices=Status.choices, empty_label="All statuses")
    placed = django_filters.ChoiceFilter(method="by_period", choices=PERIODS, empty_label="Placed any time")
    source = django_filters.ChoiceFilter(field_name="source", empty_label="All sources")
    mode = django_filters.ChoiceFilter(
        method="by_mode", choices=[("live", "Live"), ("test", "Test")], empty_label="Live and test"
    )
    currency = django_filters.ChoiceFilter(field_name="currency", empty_label="All currencies")
    least = django_filters.NumberFilter(method="unfiltered", min_value=0, max_digits=18, decimal_places=3)
    most = django_filters.NumberFilter(method="unfiltered", min_value=0, max_digits=18, decimal_places=3)
    contact = django_filters.NumberFilter(field_name="contact_id", min_value=1, max_value=_BIGGEST, decimal_places=0)

    NAMES = {
        "status": "Status",
        "placed": "Placed",
        "source": "Source",
        "mode": "Mode",
        "currency": "Currency",
        "least": "Smallest total",
        "most": "Largest total",
    }

    class Meta:
        model = Order
        fields: list[str] = []

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        # Read once: a choice drawn from the database would ask it again to check the answer.
        self.filters["source"].extra["choices"] = [(source, source_name(source)) for source in distinct("source")]
        self.filters["currency"].extra["choices"] = [(code, code) for code in distinct("currency") if code]

    def by_product(self, found: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        items = OrderItem.objects.filter(order=OuterRef("pk"), name__icontains=storable(value)[:200])
        return found.filter(Exists(items))

    def by_period(self, found: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        return found.filter(placed_at__gte=today - timedelta(days=int(value) - 1))

    def by_mode(self, found: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return found.filter(is_test=value == "test")

    def unfiltered(self, found: QuerySet[Order], name: str, value: Decimal) -> QuerySet[Order]:
        """An amount means something with its currency only: `filter_queryset` looks at both."""
        return found

    def filter_queryset(self, queryset: QuerySet[Order]) -> QuerySet[Order]:
        found: QuerySet[Order] = super().filter_queryset(queryset)
        chosen = self.form.cleaned_data
        if currency := chosen.get("currency"):
            if (least := chosen.get("least")) is not None:
                found = found.filter(total__gte=_minor(least, currency, ROUND_CEILING))
            if (most := chosen.get("most")) is not None:
                found = found.filter(total__lte=_minor(most, currency, ROUND_FLOOR))
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
        return any(self.data.get(name) for name in ("source", "mode", "currency", "least", "most"))

    @property
    def lacks_currency(self) -> bool:
        """Whether amounts were asked for without saying of which currency."""
        asked = any(self.data.get(name) for name in ("least", "most"))
        return asked and not self.form.cleaned_data.get("currency")


def ordering(name: str) -> tuple[str, list[OrderBy]]:
    """(the sort in force, its order); newest first for a name we do not know."""
    known = name if name in SORTS else NEWEST
    return known, SORTS[known]


def distinct(column: str) -> list[str]:
    """The different values of a field an index begins with, by jumping from one to the next.

    DISTINCT would read every row. Source: PostgreSQL wiki, "Loose indexscan".
    """
    name = connection.ops.quote_name(column)
    table = connection.ops.quote_name(Order._meta.db_table)
    statement = f"""
        WITH RECURSIVE found AS (
            SELECT min({name}) AS value FROM {table}
            UNION ALL
            SELECT (SELECT min({name}) FROM {table} WHERE {name} > found.value) FROM found WHERE value IS NOT NULL
        )
        SELECT value FROM found WHERE value IS NOT NULL LIMIT 200"""  # noqa: S608  (only names of columns)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]


def _minor(amount: Decimal, currency: str, rounding: str) -> int:
    """In the smallest unit, rounded into the range asked for."""
    whole = amount.scaleb(digits(currency)).to_integral_value(rounding)
    return min(int(whole), _BIGGEST)
