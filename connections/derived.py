"""Recurring payments and orders, made anew from the objects held whenever one of them changes.

They are pure functions of what is held, so it does not matter in which order facts came. Runs inside the transaction
that stored the objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from common.origin import Origin
from connections import known_people, naming, remote_objects, underived
from connections.billings import billings_of, worth_reading
from connections.models import Connection, FailedDerivation, Rederivation, RemoteObject, Resource
from connections.neighbourhood import Neighbourhood
from connections.purchase_rows import components, purchases_around, untied
from connections.remote_objects import Held
from connections.sources.stripe import cut_lists, purchases, recurring, shapes
from connections.sources.stripe.billing import Billing
from connections.underived import is_purchase
from connections.whole_lists import whole
from orders import records as orders
from orders.records import OrderRecord
from recurring_payments import records as recurring_payments
from recurring_payments.records import RecurringPaymentRecord, Update

PAGE = 200
# More subscriptions than these are not derived beside the change of a product or customer they share, but soon after.
AT_ONCE = 1000
AT_ONCE_EACH = 200
ORDER_RESOURCES = ("charge", "invoice", "checkout_session")
# Objects that are shared or live on; a purchase ends at them.
_SHARED = ("customer", "product", "price", "payment_method", "discount", "coupon", "subscription_schedule")


class Told(NamedTuple):
    """The fact that changed an object: for the timeline of what follows from it."""

    occurred_at: datetime
    origin: Origin
    key: str
    silent: bool = False


class Edit(NamedTuple):
    """A subscription before and after one event, as the event tells. `is_news`: no newer state was known."""

    before: dict[str, Any]
    after: dict[str, Any]
    told: Told
    is_news: bool


def refresh(
    connection: Connection,
    changed: dict[str, Told],
    held: Held | None = None,
    edits: dict[str, list[Edit]] | None = None,
    *,
    billed_later: bool = False,
) -> None:
    """Bring everything derived from the changed objects (by key) up to date. `held`: those this transaction has.

    `edits`: what events say of subscriptions (by key), so that a change is told even where the next took it back.
    `billed_later`: recurring payments whose subscription is not among them are noted, to be made when the rest is.
    """
    edits = edits or {}
    changed = {key: many[-1].told for key, many in edits.items()} | changed
    kinds = kinds_of(connection)
    if not changed or not kinds:
        return
    changed = {cut_lists.owner_key(key): told for key, told in changed.items()}
    around = _meet(connection, changed.keys(), held)
    purchase = purchases_around(around, changed.keys())
    if "subscription" in kinds:
        _refresh_recurring(connection, around, changed, purchase, edits, billed_later)
    if kinds & set(ORDER_RESOURCES):
        _refresh_orders(connection, changed, purchase)
    remote_objects.wish(connection, untied(purchase.values()))


def kinds_of(connection: Connection) -> set[str]:
    """Resources that bring more than customer data."""
    return set(connection.resources.active().filter(data=Resource.Data.ALL).values_list("kind", flat=True))


def _meet(connection: Connection, keys: Iterable[str], held: Held | None) -> Neighbourhood:
    """Let workers that hold parts of one purchase or subscription go one after the other.

    Each reads what the other has committed only after it has these rows, so whoever comes last derives from both. An
    object that is named but not held gets an empty row to meet at.
    """
    wanted = set(keys)
    ours = {key: held.rows[key] for key in wanted & held.ours} if held else {}
    named = {key for row in ours.values() for key in (row.key, *row.refs)}
    named |= remote_objects.named(connection, wanted - ours.keys())
    remote_objects.lock(connection, {key for key in named if is_met_at(key)} - (held.ours if held else set()))
    return Neighbourhood(connection, ours.values())


def is_met_at(key: str) -> bool:
    """Must workers that hold objects naming this one go one after the other?"""
    return is_purchase(key) or is_subscription(key)


def _refresh_recurring(
    connection: Connection,
    around: Neighbourhood,
    changed: dict[str, Told],
    purchase: dict[str, RemoteObject],
    edits: dict[str, list[Edit]],
    billed_later: bool,
) -> None:
    newest = max(changed.values(), key=_when)
    direct = {key for key in changed if is_subscription(key)}
    billed = {ref for row in purchase.values() for ref in row.refs if is_subscription(ref)}
    affected = direct | billed | sharing(connection, changed)
    if billed_later:
        # An invoice names both.
        owners = {ref: underived.owner(row.refs) for row in purchase.values() for ref in row.refs if ref in billed}
        underived.mark(connection, dict.fromkeys(affected - direct, newest), owners)
        affected = direct
    remote_objects.lock(connection, affected)
    subscriptions = [row for row in around.rows(affected) if row.body is not None]
    if not subscriptions:
        return
    billings = billings_of(connection, around, subscriptions)
    people = known_people.people(connection, [(shapes.customer_id(b.subscription.body), "") for b in billings])
    left = underived.silent(connection, affected)
    recurring_payments.upsert(
        [
            _recurring_record(connection, billing, people, _told(changed, _keys_around(billing), newest), edits, left)
            for billing in billings
        ]
    )
    _failed_no_more(connection, affected)
    remote_objects.wish(connection, {key for billing in billings for key in worth_reading(billing)})


def _failed_no_more(connection: Connection, keys: set[str]) -> None:
    """What failed before is up to date now."""
    FailedDerivation.objects.filter(connection=connection, object_key__one_of=keys).delete()


def sharing(connection: Connection, changed: dict[str, Told]) -> set[str]:
    """Subscriptions that name a changed object they may share, to be derived now; others are noted as due."""
    shared = sorted(key for key in changed if is_shared(key))
    if not shared:
        return set()
    if len(few := naming.subscriptions(connection, shared, AT_ONCE + 1)) <= AT_ONCE:
        return {key for _, key in few}
    now: set[str] = set()
    for shared_key in shared:
        few = naming.subscriptions(connection, [shared_key], AT_ONCE_EACH + 1)
        if len(few) <= AT_ONCE_EACH and len(now) + len(few) <= AT_ONCE:
            now |= {key for _, key in few}
        else:
            Rederivation.objects.create(connection=connection, shared=shared_key, **changed[shared_key]._asdict())
    return now


def _recurring_record(
    connection: Connection,
    billing: Billing,
    people: dict[str, int],
    told: Told,
    edits: dict[str, list[Edit]],
    left: set[str],
) -> RecurringPaymentRecord:
    values = recurring.values(billing, connection.status_map)
    contact = people.get(values["store_customer_id"]) or people.get(known_people.address_key(values["email"]))
    return RecurringPaymentRecord(
        source=connection.source,
        account=connection.account,
        is_test=connection.is_test,
        store_recurring_payment_id=billing.subscription.id,
        contact_id=contact,
        values=values | {"legacy_connection_id": connection.pk},
        occurred_at=told.occurred_at,
        origin=told.origin,
        key=told.key,
        silent=told.silent,
        silent_if_new=f"subscription:{billing.subscription.id}" in left,
        updates=tuple(_updates(connection, billing, edits.get(f"subscription:{billing.subscription.id}", []))),
    )


def _updates(connection: Connection, billing: Billing, edits: list[Edit]) -> Iterator[Update]:
    """The edits, oldest first, as changes of the recurring payment's fields."""
    for edit in sorted(edits, key=lambda edit: (edit.told.occurred_at, edit.told.key)):
        changes = recurring.changes(billing, edit.before, edit.after, connection.status_map)
        if changes:
            yield Update(changes, **edit.told._asdict(), is_news=edit.is_news)


def _refresh_orders(connection: Connection, changed: dict[str, Told], purchase: dict[str, RemoteObject]) -> None:
    found = []
    held = whole(connection, purchase.values())
    for component in components(purchase):
        values = purchases.order_of([held[row.key] for row in component])
        if values is not None:
            found.append((values, tuple(sorted(row.key for row in component))))
    people = known_people.people(connection, [(values.customer_id, values.email) for values, _ in found])
    left = underived.silent(connection, {key for values, keys in found for key in (*keys, *values.references)})
    records, newest = [], max(changed.values(), key=_when)
    for values, references in found:
        told = _told(changed, references, newest)
        records.append(
            OrderRecord(
                source=connection.source,
                account=connection.account,
                is_test=connection.is_test,
                external_id=values.external_id,
                contact_id=people.get(values.customer_id) or people.get(known_people.address_key(values.email)),
                references=references,
                values=values.values,
                items=values.items,
                occurred_at=told.occurred_at,
                origin=told.origin,
                key=told.key,
                silent=told.silent,
                silent_if_new=not left.isdisjoint((*references, *values.references)),
            )
        )
    orders.upsert(records)
    _failed_no_more(connection, {key for values, keys in found for key in (*keys, *values.references)})


def is_subscription(key: str) -> bool:
    return key.startswith("subscription:")


def is_shared(key: str) -> bool:
    """May many subscriptions use it?"""
    return key.partition(":")[0] in _SHARED


def _keys_around(billing: Billing) -> list[str]:
    objects = (billing.subscription, *billing.invoices, *billing.charges, *billing.invoice_payments, *billing.sessions)
    return [f"{held.type}:{held.id}" for held in objects] + list(billing.held)


def _told(changed: dict[str, Told], keys: Iterable[str], newest: Told) -> Told:
    """The newest of the facts that touched these objects; of all (`newest`), if none did by name."""
    if mine := [changed[key] for key in keys if key in changed]:
        return max(mine, key=_when)
    return newest


def _when(told: Told) -> tuple[datetime, str]:
    return told.occurred_at, told.key
