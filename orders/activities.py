"""What happens to orders, on the timeline of their contacts: each thing once per order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from common import money, rows
from common.origin import Origin
from contacts.activities import NewActivity
from contacts.models import Activity, Kind
from orders.models import RECEIVED, Order, Status


@dataclass(frozen=True)
class State:
    """What of an order makes activities."""

    is_paid: bool
    refunded: int
    is_disputed: bool


NOTHING = State(False, 0, False)


@dataclass(frozen=True)
class Telling:
    """The fact that told of an order."""

    occurred_at: datetime
    origin: Origin
    key: str
    silent: bool


def state_of(order: Order) -> State:
    return State(order.status in RECEIVED, order.refunded, order.status == Status.DISPUTED)


def of_change(order: Order, before: State | None, telling: Telling) -> Iterator[NewActivity]:
    """What is new since `before`, which is None for a new order."""
    amount, now, was = _money(order.total, order), state_of(order), before or NOTHING
    if before is None:
        yield _activity(order, Kind.ORDER_CREATED, "created", f"Order of {amount} placed", order.placed_at, telling)
    if now.is_paid and not was.is_paid:
        paid_at = order.paid_at or telling.occurred_at
        yield _activity(order, Kind.ORDER_PAID, "paid", f"Order of {amount} paid", paid_at, telling)
    if now.refunded and now.refunded != was.refunded:
        returned = "refunded" if now.refunded >= order.total else f"refunded by {_money(now.refunded, order)}"
        slot = f"refunded:{now.refunded}"
        yield _activity(order, Kind.ORDER_REFUNDED, slot, f"Order of {amount} {returned}", telling.occurred_at, telling)
    if now.is_disputed and not was.is_disputed:
        words = f"Order of {amount} disputed"
        yield _activity(order, Kind.ORDER_DISPUTED, "disputed", words, telling.occurred_at, telling)


def of_orders(orders: Iterable[Order]) -> QuerySet[Activity]:
    """The activities of these orders, found by the prefix of their keys."""
    matching = Q(pk__in=[])
    for order in orders:
        matching |= Q(dedupe__startswith=_prefix(order))
    return Activity.objects.filter(matching)


def merge(order: Order, others: list[Order]) -> None:
    """The others turned out to be this order: what each told is told once, and what automations saw stays seen."""
    prefixes = [_prefix(one) for one in (order, *others)]
    by_slot: dict[str, list[Activity]] = {}
    for activity in of_orders([order, *others]).order_by("dispatched_at", "pk"):  # those not dispatched come last
        prefix = next(prefix for prefix in prefixes if activity.dedupe.startswith(prefix))
        by_slot.setdefault(activity.dedupe.removeprefix(prefix), []).append(activity)
    repeated = [activity.pk for same in by_slot.values() for activity in same[1:]]
    Activity.objects.filter(pk__in=repeated).delete()
    for slot, same in by_slot.items():
        kept = same[0]
        kept.dedupe = prefixes[0] + slot
        kept.data = kept.data | {"order": order.pk}
    kept_ones = [same[0] for same in by_slot.values()]
    rows.update(kept_ones, ["dedupe", "data"])


def give_to(order: Order) -> None:
    """The order has found its contact: so have its activities."""
    of_orders([order]).filter(contact=None).update(contact_id=order.contact_id)


def _activity(
    order: Order, kind: Kind, slot: str, summary: str, occurred_at: datetime, telling: Telling
) -> NewActivity:
    return NewActivity(
        contact_id=order.contact_id,
        kind=kind,
        occurred_at=occurred_at,
        summary=summary,
        origin=telling.origin,
        dedupe=_prefix(order) + slot,
        is_test=order.is_test,
        data=_data(order) | {"told_by": telling.key},
        silent=telling.silent,
    )


def _data(order: Order) -> dict[str, Any]:
    return {
        "order": order.pk,
        "source": order.source,
        "account": order.account,
        "external_id": order.external_id,
        "status": order.status,
        "currency": order.currency,
        "total": money.as_text(order.total, order.currency),
        "refunded": money.as_text(order.refunded, order.currency),
    }


def _prefix(order: Order) -> str:
    # Not the id at the source: that changes when a higher one becomes known.
    return f"order:{order.pk}:"


def _money(minor: int, order: Order) -> str:
    return f"{money.as_text(minor, order.currency)} {order.currency}".strip()
