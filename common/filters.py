"""What the filters of lists of records share: source, account, mode, contact, and amounts within one currency."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import django_filters
from django import forms
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils import timezone

from common.money import digits
from common.record_fields import source_name

_BIGGEST = 2**63 - 1


class RecordFilter(django_filters.FilterSet):
    """`AMOUNT` is the field that `least` and `most` mean, `NAMES` what a filter is called, `RARE` who stands behind
    «More filters».
    """

    source = django_filters.ChoiceFilter(field_name="source", empty_label="All sources")
    account = django_filters.ChoiceFilter(method="by_account", empty_label="All accounts")
    mode = django_filters.ChoiceFilter(
        method="by_mode", choices=[("live", "Live"), ("test", "Test")], empty_label="Live and test"
    )
    currency = django_filters.ChoiceFilter(field_name="currency", empty_label="All currencies")
    least = django_filters.NumberFilter(method="unfiltered", min_value=0, max_digits=18, decimal_places=3)
    most = django_filters.NumberFilter(method="unfiltered", min_value=0, max_digits=18, decimal_places=3)
    contact = django_filters.NumberFilter(field_name="contact_id", min_value=1, max_value=_BIGGEST, decimal_places=0)

    AMOUNT = ""
    NAMES = {"source": "Source", "account": "Account", "mode": "Mode", "currency": "Currency"}
    RARE: tuple[str, ...] = ("source", "account", "mode", "currency", "least", "most")

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        model = self._meta.model
        self.origins = distinct(model, "source", "account")
        self._offer("source", {source for source, _ in self.origins})
        self._offer("account", {account for _, account in self.origins})
        self._offer("currency", {code for (code,) in distinct(model, "currency")})

    def _offer(self, name: str, values: Iterable[str]) -> None:
        """Read once: a choice drawn from the database would ask it again to check the answer."""
        word = source_name if name == "source" else str
        self.filters[name].extra["choices"] = [(value, word(value)) for value in sorted(values) if value]

    def by_account(self, found: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """With its source, by which the indexes of accounts begin."""
        sources = [source for source, account in self.origins if account == value]
        return found.filter(source__in=sources, account=value)

    def by_mode(self, found: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return found.filter(is_test=value == "test")

    def unfiltered(self, found: QuerySet[Any], name: str, value: Decimal) -> QuerySet[Any]:
        """An amount means something with its currency only: `filter_queryset` looks at both."""
        return found

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found: QuerySet[Any] = super().filter_queryset(queryset)
        chosen = self.form.cleaned_data
        if currency := chosen.get("currency"):
            if (least := chosen.get("least")) is not None:
                found = found.filter(**{f"{self.AMOUNT}__gte": _minor(least, currency, ROUND_CEILING)})
            if (most := chosen.get("most")) is not None:
                found = found.filter(**{f"{self.AMOUNT}__lte": _minor(most, currency, ROUND_FLOOR)})
        return found

    def get_form_class(self) -> type[forms.Form]:
        form_class: type[forms.Form] = super().get_form_class()
        for name, label in self.NAMES.items():
            form_class.base_fields[name].widget.attrs["aria-label"] = label
        for name, word in (("least", "Amount from"), ("most", "to")):
            form_class.base_fields[name].widget.attrs |= {"placeholder": word, "step": "any", "inputmode": "decimal"}
        return form_class

    @property
    def is_set(self) -> bool:
        """Whether anything narrows the list down."""
        return any(self.data.get(name) for name in self.filters)

    @property
    def more_is_set(self) -> bool:
        """Whether one of the filters behind «More filters» is in force."""
        return any(self.data.get(name) for name in self.RARE)

    @property
    def lacks_currency(self) -> bool:
        """Whether amounts were asked for without saying of which currency."""
        asked = any(self.data.get(name) for name in ("least", "most"))
        return asked and not self.form.cleaned_data.get("currency")


def today() -> datetime:
    """The midnight that began this day."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def midnight(day: date) -> datetime:
    """The one that begins the day; days beyond any calendar of ours are brought into it."""
    return timezone.make_aware(datetime.combine(min(max(day, date(1900, 1, 1)), date(2999, 1, 1)), time.min))


def distinct(model: type[Model], *columns: str) -> list[tuple[str, ...]]:
    """The different values of the leading columns of an index, by jumping from one to the next.

    DISTINCT would read every row. Source: PostgreSQL wiki, "Loose indexscan".
    """
    known = {field.name: str(field.column) for field in model._meta.concrete_fields}
    quoted = [connection.ops.quote_name(known[name]) for name in columns]
    table, names = connection.ops.quote_name(model._meta.db_table), ", ".join(quoted)
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


def _minor(amount: Decimal, currency: str, rounding: str) -> int:
    """In the smallest unit, rounded into the range asked for."""
    whole = amount.scaleb(digits(currency)).to_integral_value(rounding)
    return min(int(whole), _BIGGEST)
