"""Finding orders. The state stands in the address."""

from __future__ import annotations

from datetime import timedelta

import django_filters
from django.db.models import Exists, F, OrderBy, OuterRef, QuerySet

from common.filters import RecordFilter, today
from common.text import storable
from contacts.models import Contact
from orders.fields import FIELDS, REFERENCES
from orders.models import Order, OrderItem, OrderReference, Status

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


class OrderFilter(RecordFilter):
    who = django_filters.CharFilter(method="by_who")
    product = django_filters.CharFilter(method="by_product")
    status = django_filters.ChoiceFilter(field_name="status", choices=Status.choices, empty_label="All statuses")
    placed = django_filters.ChoiceFilter(method="by_period", choices=PERIODS, empty_label="Placed any time")

    AMOUNT = "total"
    NAMES = RecordFilter.NAMES | {
        "status": "Status",
        "placed": "Placed",
        "least": "Smallest total",
        "most": "Largest total",
    }

    class Meta:
        model = Order
        fields: list[str] = []

    def by_who(self, found: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Those of contacts whose name, address or phone contains every word; those that have this number or ID."""
        words = storable(value)[:200].strip()
        of_contacts = found.filter(contact__in=Contact.objects.search(words).values("pk"))
        if called := self._called(words):
            either = Order.objects.filter(pk__in=called).values("pk").union(of_contacts.order_by().values("pk"))
            return found.filter(pk__in=either)
        return of_contacts

    def _called(self, name: str) -> set[int]:
        """Keys of the orders that have the whole name as number or ID, or as the ID of anything that is part of them.

        Only of what may be one: a single word with a digit, no address.
        """
        if " " in name or "@" in name or not any(map(str.isdigit, name)):
            return set()
        # As the indexes of both tables begin.
        origins = {
            "source__in": {source for source, _ in self.origins},
            "account__in": {account for _, account in self.origins},
            "is_test__in": (False, True),
        }
        keys = [f"{field.key}:{name}" for field in FIELDS if field.section == REFERENCES]
        parts = OrderReference.objects.filter(reference__in=keys, **origins).values_list("order_id", flat=True)
        whole = Order.objects.filter(external_id=name, **origins).values_list("pk", flat=True)
        return {*parts, *whole} or set(self.numbered(name).values_list("pk", flat=True)[:200])

    @staticmethod
    def numbered(name: str) -> QuerySet[Order]:
        """Orders with this number, in capitals or not."""
        return Order.objects.exclude(number="").filter(number__iexact=name)

    def by_product(self, found: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        items = OrderItem.objects.filter(order=OuterRef("pk"), name__icontains=storable(value)[:200])
        return found.filter(Exists(items))

    def by_period(self, found: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return found.filter(placed_at__gte=today() - timedelta(days=int(value) - 1))


def ordering(name: str) -> tuple[str, list[OrderBy]]:
    """(the sort in force, its order); newest first for a name we do not know."""
    known = name if name in SORTS else NEWEST
    return known, SORTS[known]
