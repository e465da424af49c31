"""Numbers and totals over a contact's orders or recurring payments: grouped once, not counted contact by contact."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from operator import eq, ge, gt, le, lt
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from common.money import to_minor
from orders.models import Order
from recurring_payments.models import RecurringPayment
from segments.conditions import Condition
from segments.fields import ORDER_COUNT, PAID_TOTAL, RECURRING_PAYMENT_COUNT

_COMPARED: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "is": ("exact", eq),
    "more_than": ("gt", gt),
    "at_least": ("gte", ge),
    "less_than": ("lt", lt),
    "at_most": ("lte", le),
}


def query(item: Condition, only: int | None) -> Q:
    """Contacts whose sum is so. Who has no such record counts as 0; `only` narrows the sums to one contact."""
    if item.operator == "is_not":
        return ~query(Condition(item.field, "is", item.value), only)
    rows, value = SUMS[item.field](item)
    rows = rows.filter(contact__isnull=False) if only is None else rows.filter(contact=only)
    summed = rows.order_by().values("contact").annotate(sum=value)
    limits = _limits(item)
    is_so = Q(*(Q(**{f"sum__{_COMPARED[name][0]}": limit}) for name, limit in limits))
    if all(_COMPARED[name][1](0, limit) for name, limit in limits):
        return ~Q(pk__in=summed.filter(~is_so).values("contact"))
    return Q(pk__in=summed.filter(is_so).values("contact"))


def _limits(item: Condition) -> list[tuple[str, Any]]:
    """(operator, number) pairs that all have to hold; amounts in the smallest unit."""
    parts = {"at_least": "from", "at_most": "to"} if item.operator == "between" else {item.operator: "amount"}
    if item.field != PAID_TOTAL:
        return [(name, _plain(item.value, part)) for name, part in parts.items()]
    currency = item.value["currency"]
    return [(name, to_minor(Decimal(item.value[part]), currency)) for name, part in parts.items()]


def _plain(value: Any, part: str) -> Any:
    return value[part] if isinstance(value, dict) else value


def _orders(item: Condition) -> tuple[QuerySet[Any], Any]:
    return Order.objects.received(), Count("pk")


def _paid(item: Condition) -> tuple[QuerySet[Any], Any]:
    return Order.objects.received().filter(currency=item.value["currency"]), Sum(F("total") - F("refunded"))


def _recurring_payments(item: Condition) -> tuple[QuerySet[Any], Any]:
    return RecurringPayment.objects.all(), Count("pk")


SUMS: dict[str, Callable[[Condition], tuple[QuerySet[Any], Any]]] = {
    ORDER_COUNT: _orders,
    PAID_TOTAL: _paid,
    RECURRING_PAYMENT_COUNT: _recurring_payments,
}
