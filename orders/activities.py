"""What happens to orders, on the timeline of their contacts: each thing once per order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from common import money, rows
from common.origin import Origin
from contacts import timeline
from contacts.activities import NewActivity, beginning_with
from contacts.models import Activity, Kind
from orders.models import RECEIVED, Order, Status


def register() -> None:
    # An order that turns out to be another one gives its lines away.
    timeline.link_pages("order", None, "orders:detail", in_drawer=True)


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
    if now.refunded > was.refunded:
        returned = "refunded" if now.refunded >= order.total else f"refunded by {_money(now.refunded, order)}"
        slot = f"refunded:{now.refunded}{_again(order, before)}"
        yield _activity(order, Kind.ORDER_REFUNDED, slot, f"Order of {amount} {returned}", telling.occurred_at, telling)
    if now.refunded < was.refunded:
        words = f"Order of {amount}: refund of {_money(was.refunded - now.refunded, order)} failed"
        slot = f"refund_failed:{was.refunded}:{now.refunded}{_again(order, before)}"
        yield _activity(order, Kind.ORDER_REFUND_FAILED, slot, words, telling.occurred_at, telling)
    if now.is_disputed and not was.is_disputed:
        words = f"Order of {amount} disputed"
        yield _activity(order, Kind.ORDER_DISPUTED, "disputed", words, telling.occurred_at, telling)


def _again(order: Order, before: State | None) -> str:
    """After a refund that failed the same sum may be refunded again, which is news again."""
    failed = beginning_with([f"{_prefix(order)}refund_failed:"]).count() if before else 0
    return f":{failed}" if failed else ""


def of_orders(orders: Iterable[Order]) -> QuerySet[Activity]:
    """The activities of these orders, found by the prefix of their keys."""
    return beginning_with(_prefix(order) for order in orders)


def merge(merged: list[tuple[Order, list[Order]]]) -> None:
    """Others turned out to be an order: what each told is told once, and what automations saw stays seen."""
    heirs = {_prefix(one): order for order, others in merged for one in (order, *others)}
    by_slot: dict[tuple[int, str], list[Activity]] = {}
    told = of_orders(one for order, others in merged for one in (order, *others))
    for activity in rows.read(told.order_by("dispatched_at", "pk")):  # those not dispatched come last
        prefix, slot = _parts(activity.dedupe)
        by_slot.setdefault((heirs[prefix].pk, slot), []).append(activity)
    repeated = [activity.pk for same in by_slot.values() for activity in same[1:]]
    Activity.objects.filter(pk__in=repeated).delete()
    kept = []
    for (order_id, slot), same in by_slot.items():
        activity = same[0]
        activity.dedupe = f"order:{order_id}:{slot}"
        activity.data = activity.data | {"order": order_id}
        kept.append(activity)
    rows.update(sorted(kept, key=lambda activity: activity.pk), ["dedupe", "data"])


def give_to(orders: list[Order]) -> None:
    """The orders have found their contacts: so have their activities."""
    owners = {_prefix(order): order.contact_id for order in orders}
    found = rows.read(of_orders(orders).filter(contact=None).order_by("pk"))
    for activity in found:
        activity.contact_id = owners[_parts(activity.dedupe)[0]]
    rows.update(found, ["contact"])


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


def _parts(dedupe: str) -> tuple[str, str]:
    """("order:7:", "refunded:500") for "order:7:refunded:500"."""
    _, pk, slot = dedupe.split(":", 2)
    return f"order:{pk}:", slot


def _money(minor: int, order: Order) -> str:
    return f"{money.as_text(minor, order.currency)} {order.currency}".strip()
