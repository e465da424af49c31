"""Filters of the sync log. Their state is the address."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from common.filters import midnight
from common.origin import Origin
from connections.models import Connection, Resource, SyncLogEntry, SyncRun
from contacts.models import Contact

TROUBLE = "trouble"
CHECK = "check"
HISTORY = "history"
# More people than this under one search text, and the text is no filter.
MOST_CONTACTS = 200
_VIA = (Origin.WEBHOOK, Origin.POLL, Origin.HISTORY, Origin.REPLAY)


def _named(label: str, **attributes: str) -> dict[str, str]:
    return {"aria-label": label, **attributes}


def _accounts() -> list[tuple[str, str]]:
    rows = Connection.objects.exclude(connected_at=None).values_list("pk", "name", "is_test")
    return [(str(pk), f"{name} (Test)" if is_test else name) for pk, name, is_test in rows]


class LogFilter(django_filters.FilterSet):
    result = django_filters.ChoiceFilter(
        choices=[(TROUBLE, "Failed or set aside"), *SyncLogEntry.Result.choices],
        method="by_result",
        empty_label="All results",
        widget=forms.Select(attrs=_named("Result")),
    )
    event_type = django_filters.CharFilter(
        max_length=120,
        method="by_event_type",
        widget=forms.TextInput(
            attrs=_named("Event type", list="event-types", placeholder="All event types", autocomplete="off")
        ),
    )
    contact = django_filters.CharFilter(
        max_length=320,
        method="by_contact",
        widget=forms.TextInput(attrs=_named("Contact", placeholder="Name or email", autocomplete="off")),
    )
    since = django_filters.DateFilter(
        method="by_since", widget=forms.DateInput(attrs=_named("From date", type="date"), format="%Y-%m-%d")
    )
    until = django_filters.DateFilter(
        method="by_until", widget=forms.DateInput(attrs=_named("To date", type="date"), format="%Y-%m-%d")
    )
    account = django_filters.ChoiceFilter(
        choices=_accounts,
        field_name="connection",
        empty_label="All accounts",
        widget=forms.Select(attrs=_named("Account")),
    )
    resource = django_filters.ChoiceFilter(
        choices=Resource.Kind.choices,
        field_name="resource_kind",
        empty_label="All resources",
        widget=forms.Select(attrs=_named("Resource")),
    )
    via = django_filters.ChoiceFilter(
        choices=[*((via.value, via.label) for via in _VIA), (CHECK, "Check against Stripe")],
        method="by_via",
        empty_label="Any way in",
        widget=forms.Select(attrs=_named("Way in")),
    )
    run = django_filters.NumberFilter(min_value=1, max_value=2**62, widget=forms.HiddenInput())

    class Meta:
        model = SyncLogEntry
        fields: ClassVar[list[str]] = []

    def by_result(self, entries: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return entries.filter(result__in=SyncLogEntry.TROUBLE if value == TROUBLE else [value])

    def by_event_type(self, entries: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return entries.filter(event_type="" if value == HISTORY else value)

    def by_contact(self, entries: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        if value.isascii() and value.isdigit() and len(value) < 19:
            return entries.filter(contact=int(value))
        people = list(Contact.objects.present().search(value).order_by().values_list("pk", flat=True)[:MOST_CONTACTS])
        return entries.filter(Q(contact__in=people) | Q(contact=None, contact_email__iexact=value))

    def by_via(self, entries: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        if value not in (CHECK, HISTORY):
            return entries.filter(via=value)
        # What is read from a list comes with no event: an index leads to its rows.
        read, checked = entries.filter(via=Origin.HISTORY, event_type=""), SyncRun.objects.checks()
        return read.filter(run__in=checked) if value == CHECK else read.exclude(run__in=checked)

    def by_since(self, entries: QuerySet[Any], _name: str, value: date) -> QuerySet[Any]:
        return entries.filter(worked_at__gte=midnight(value))

    def by_until(self, entries: QuerySet[Any], _name: str, value: date) -> QuerySet[Any]:
        return entries.filter(worked_at__lt=midnight(value) + timedelta(days=1))

    @property
    def is_set(self) -> bool:
        """Is anything but the page chosen?"""
        return any(self.data.get(name) for name in self.filters)
