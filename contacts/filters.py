"""Finding contacts: words, tag, list, mode and when they came. The state stands in the address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from django import forms
from django.db.models import F, OrderBy, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict
from django.utils import timezone

from common.text import storable
from contacts.models import Contact, ContactList, Tag
from contacts.models.contact import ContactQuerySet

PERIODS = [
    ("1", "Created today"),
    ("7", "Created in 7 days"),
    ("30", "Created in 30 days"),
    ("365", "Created in a year"),
]
SORTS: dict[str, list[OrderBy]] = {
    "name": [Lower("first_name").asc(), Lower("last_name").asc(), F("id").asc()],
    "-name": [Lower("first_name").desc(), Lower("last_name").desc(), F("id").desc()],
    "email": [F("email_key").asc(nulls_last=True), F("id").asc()],
    "-email": [F("email_key").desc(nulls_last=True), F("id").desc()],
    "created": [F("created_at").asc(), F("id").asc()],
    "-created": [F("created_at").desc(), F("id").desc()],
    "updated": [F("updated_at").asc(), F("id").asc()],
    "-updated": [F("updated_at").desc(), F("id").desc()],
}
NEWEST = "-created"


class ContactFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(method="by_words")
    tag = django_filters.ChoiceFilter(field_name="tags__name", empty_label="All tags")
    list = django_filters.ChoiceFilter(field_name="lists", empty_label="All lists")
    mode = django_filters.ChoiceFilter(
        method="by_mode", choices=[("live", "Live"), ("test", "Test")], empty_label="Live and test"
    )
    created = django_filters.ChoiceFilter(method="by_period", choices=PERIODS, empty_label="Created any time")

    NAMES = {"tag": "Tag", "list": "List", "mode": "Mode", "created": "Created"}

    class Meta:
        model = Contact
        fields: list[str] = []

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        # Read once: a choice drawn from the database would ask it again to check the answer.
        tags = Tag.objects.values_list("name", flat=True)
        self.filters["tag"].extra["choices"] = [(name, name) for name in tags]
        self.filters["list"].extra["choices"] = [
            (str(pk), name) for pk, name in ContactList.objects.values_list("pk", "name")
        ]

    def by_words(self, found: ContactQuerySet, name: str, value: str) -> ContactQuerySet:
        return found.search(storable(value)[:200])

    def by_mode(self, found: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        return found.filter(is_test=value == "test")

    def by_period(self, found: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        return found.filter(created_at__gte=today - timedelta(days=int(value) - 1))

    def get_form_class(self) -> type[forms.Form]:
        form_class: type[forms.Form] = super().get_form_class()
        for name, label in self.NAMES.items():
            form_class.base_fields[name].widget.attrs["aria-label"] = label
        return form_class

    @property
    def is_set(self) -> bool:
        """Whether anything narrows the list down."""
        return any(self.data.get(name) for name in self.filters)


def ordering(name: str) -> tuple[str, list[OrderBy]]:
    """(the sort in force, its order); newest first for a name we do not know."""
    known = name if name in SORTS else NEWEST
    return known, SORTS[known]
