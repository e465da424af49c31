"""Orders as sources tell them, written a list at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone

from common import rows
from common.origin import Origin
from contacts.activities import record_activities
from orders import activities, merging
from orders.activities import State, Telling
from orders.models import Order, OrderItem, OrderReference


class Item(NamedTuple):
    """A line of an order; `amount` of the whole line in the smallest unit."""

    name: str
    sku: str
    quantity: int
    amount: int


class OrderRecord(NamedTuple):
    """One purchase as it is now. `values`: fields of Order by name; amounts in the smallest unit.

    `references`: keys of everything at the source that is this purchase ("payment_intent:pi_1"); an order known by one
    of them is this one. `contact_id` is None while nobody is known for it. `key` names the fact that told it.
    `silent_if_new`: that there is such an order is old news.
    """

    source: str
    account: str
    is_test: bool
    external_id: str
    contact_id: int | None
    references: tuple[str, ...]
    values: dict[str, Any]
    items: tuple[Item, ...]
    occurred_at: datetime
    origin: Origin
    key: str
    silent: bool = False
    silent_if_new: bool = False


Place = tuple[str, str, bool]
Key = tuple[str, str, bool, str]
FIELDS = [
    "external_id",
    "contact",
    "status",
    "currency",
    "total",
    "tax",
    "discount",
    "shipping",
    "refunded",
    "email",
    "number",
    "description",
    "url",
    "placed_at",
    "paid_at",
    "last_synced_at",
]


@dataclass
class _Known:
    """What the database knows of the records' purchases, kept true while they are written. Orders are locked."""

    orders: dict[int, Order] = field(default_factory=dict)
    by_reference: dict[Key, Order] = field(default_factory=dict)
    by_id: dict[Key, Order] = field(default_factory=dict)
    items: dict[int, list[Item]] = field(default_factory=dict)


@dataclass
class _Written:
    """One record and the order it made or changed. `before` is None for a new order.

    `others`: orders that turned out to be this one.
    """

    record: OrderRecord
    order: Order
    before: State | None
    is_changed: bool
    found_contact: bool
    others: list[Order] = field(default_factory=list)


def upsert(records: list[OrderRecord]) -> None:
    """Write the records inside the caller's transaction, sorted by id. Writing one twice equals once.

    IntegrityError if another worker makes the same order just now: roll back and call again.
    """
    ordered = sorted(records, key=lambda record: (*_place(record), record.external_id, record.occurred_at, record.key))
    for batch in _batches(ordered):
        _write(batch)


def _batches(records: list[OrderRecord]) -> list[list[OrderRecord]]:
    """Records that tell of the same purchase are written one after the other; nearly always there is one batch."""
    batches: list[list[OrderRecord]] = []
    told: list[set[Key]] = []
    for record in records:
        keys = {(*_place(record), name) for name in (*record.references, f"={record.external_id}")}
        # After the last batch that knows any of them, so that their order stays.
        place = max((number + 1 for number, known in enumerate(told) if known & keys), default=0)
        if place == len(batches):
            batches.append([])
            told.append(set())
        batches[place].append(record)
        told[place] |= keys
    return batches


def _write(records: list[OrderRecord]) -> None:
    known = _known(records)
    written = [_bring_up_to_date(known, record) for record in records]
    # First: the order that stays may take an id of one that goes.
    _merge(known, [(one.order, one.others) for one in written if one.others])
    rows.insert([one.order for one in written if one.order.pk is None])
    changed = {one.order.pk: one.order for one in written if one.before is not None and one.is_changed}
    rows.update([changed[pk] for pk in sorted(changed)], FIELDS)
    activities.give_to([one.order for one in written if one.found_contact])
    _refer(known, written)
    _itemise(known, written)
    record_activities(
        activity for one in written for activity in activities.of_change(one.order, one.before, _telling(one.record))
    )


def _bring_up_to_date(known: _Known, record: OrderRecord) -> _Written:
    found = _found(known, record)
    if not found:
        order = rows.made(Order, source=record.source, account=record.account, is_test=record.is_test)
        _apply(order, record)
        told = record._replace(silent=record.silent or record.silent_if_new)
        return _Written(told, order, None, is_changed=True, found_contact=False)
    order, others = found[0], found[1:]
    before, contact = activities.state_of(order), order.contact_id
    order.contact_id = order.contact_id or next((other.contact_id for other in others if other.contact_id), None)
    is_changed = _apply(order, record) or bool(others)
    found_contact = order.contact_id is not None and (bool(others) or order.contact_id != contact)
    return _Written(record, order, before, is_changed, found_contact, others)


def _found(known: _Known, record: OrderRecord) -> list[Order]:
    """Orders that turn out to be this purchase, oldest row first."""
    place = _place(record)
    candidates = [known.by_reference.get((*place, reference)) for reference in record.references]
    candidates.append(known.by_id.get((*place, record.external_id)))
    return sorted({order.pk: order for order in candidates if order}.values(), key=lambda order: order.pk)


def _merge(known: _Known, merged: list[tuple[Order, list[Order]]]) -> None:
    """Several orders were one: the oldest row takes over their references and activities."""
    heirs = {other.pk: order for order, others in merged for other in others}
    if not heirs:
        return
    activities.merge(merged)
    gone = sorted(heirs)
    rows.execute(_TAKE_OVER, [gone, [heirs[pk].pk for pk in gone]])
    merging.follow({pk: heirs[pk].pk for pk in gone})
    Order.objects.filter(pk__in=gone).delete()
    for index in (known.by_reference, known.by_id):
        index.update({key: heirs[held.pk] for key, held in index.items() if held.pk in heirs})


_TAKE_OVER = """
    update orders_orderreference as reference set order_id = heir.id
    from unnest(%b::int8[], %b::int8[]) as heir(gone, id) where reference.order_id = heir.gone
"""


def _apply(order: Order, record: OrderRecord) -> bool:
    """Set what differs; whether anything did."""
    values = record.values | {"external_id": record.external_id, "contact_id": record.contact_id or order.contact_id}
    different = {name: value for name, value in values.items() if getattr(order, name) != value}
    for name, value in different.items():
        setattr(order, name, value)
    if different:
        order.last_synced_at = timezone.now()
    return bool(different)


def _refer(known: _Known, written: list[_Written]) -> None:
    new = {
        (*_place(one.record), reference): one.order
        for one in written
        for reference in one.record.references
        if (*_place(one.record), reference) not in known.by_reference
    }
    rows.insert(
        [
            rows.made(
                OrderReference, order_id=new[key].pk, source=key[0], account=key[1], is_test=key[2], reference=key[3]
            )
            for key in sorted(new)
        ]
    )


def _itemise(known: _Known, written: list[_Written]) -> None:
    """Lines are replaced as a whole, and only where they differ."""
    changed = {
        one.order.pk: one.record.items for one in written if known.items.get(one.order.pk, []) != list(one.record.items)
    }
    if stale := [pk for pk in changed if pk in known.items]:
        OrderItem.objects.filter(order_id__one_of=stale).delete()
    rows.insert(
        [
            rows.made(
                OrderItem, order_id=pk, position=position, name=i.name, sku=i.sku, quantity=i.quantity, amount=i.amount
            )
            for pk, items in sorted(changed.items())
            for position, i in enumerate(items)
        ]
    )


def _known(records: list[OrderRecord]) -> _Known:
    references = {reference for record in records for reference in record.references}
    ids = {record.external_id for record in records}
    ties = rows.read(_here(OrderReference.objects.filter(reference__one_of=references), records))
    by_id = _here(Order.objects.filter(external_id__one_of=ids), records).values_list("pk", flat=True)
    wanted = {tie.order_id for tie in ties} | set(by_id)
    known = _Known()
    # In order of id, so that two workers do not lock crosswise.
    for order in rows.read(Order.objects.filter(pk__one_of=wanted).order_by("pk").select_for_update()):
        known.orders[order.pk] = order
        known.by_id[order.source, order.account, order.is_test, order.external_id] = order
    for tie in ties:
        if tie.order_id in known.orders:
            known.by_reference[tie.source, tie.account, tie.is_test, tie.reference] = known.orders[tie.order_id]
    for item in rows.read(OrderItem.objects.filter(order_id__one_of=known.orders).order_by("order_id", "position")):
        known.items.setdefault(item.order_id, []).append(Item(item.name, item.sku, item.quantity, item.amount))
    return known


def _here(found: Any, records: Iterable[OrderRecord]) -> Any:
    """Only rows of the records' sources, accounts and modes: the unique indexes begin with them."""
    matching = Q(pk__in=[])
    for source, account, is_test in sorted({_place(record) for record in records}):
        matching |= Q(source=source, account=account, is_test=is_test)
    return found.filter(matching)


def _place(record: OrderRecord) -> Place:
    return record.source, record.account, record.is_test


def _telling(record: OrderRecord) -> Telling:
    return Telling(record.occurred_at, record.origin, record.key, record.silent)
