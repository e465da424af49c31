"""The audit after every fault: what the product holds against what the sandbox's Stripe holds.

It reads the sandbox's world itself instead of asking the product, so a wrong row cannot excuse itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now

from common.due import State, database_now
from common.origin import Origin
from connections import derived, stored_events
from connections.models import (
    Connection,
    FailedDerivation,
    InboundEvent,
    RemoteObject,
    SyncLogEntry,
    SyncRun,
    SyncWindow,
)
from connections.sources.stripe import API_VERSION, translate
from contacts.models import Activity, Contact, Identity
from orders.models import Order, OrderReference
from recurring_payments.models import RecurringPayment
from sandbox.stripe import SandboxAccount
from tests.connections.conftest import work
from tests.connections.test_any_order import forget, state

Json = dict[str, Any]
_ENDED = {State.DONE, State.IGNORED}
# Kinds of object whose newest state is told by events that the connected resources ask for.
_WATCHED = ("customer", "subscription", "invoice", "charge", "payment_intent", "checkout.session")
# What recurring payments and orders are made anew by.
_DERIVED_FROM = ("subscription", "invoice", "charge", "payment_intent", "checkout_session")
# What an event shows in another shape than the sandbox's own book, or leaves to an object of its own (the dispute).
_SHAPED = {
    "disputed",
    "lines",
    "line_items",
    "refunds",
    "payments",
    "items",
    "default_payment_method",
    "payment_method",
}


@dataclass
class Audit:
    """Faults found, in words; all empty when nothing is wrong. `dead` are those set aside that nobody planted."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    overdue: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not any(getattr(self, column.name) for column in fields(self))

    def __str__(self) -> str:
        return "; ".join(
            f"{column.name} {len(found)}: {', '.join(found[:5])}"
            for column in fields(self)
            if (found := getattr(self, column.name))
        )


def assert_clean(account: SandboxAccount, *, planted: Collection[str] = (), again: bool = False) -> None:
    """Nothing lost, doubled, stale or stuck, and dead exactly what was planted (ids of events)."""
    found = audit(account, planted=planted, again=again)
    assert found.clean, str(found)


def audit(account: SandboxAccount, *, planted: Collection[str] = (), again: bool = False) -> Audit:
    """`again`: also derive everything anew from the sandbox's events, in order and by one worker, and compare.

    This replaces what is held by what was derived, and takes as long as working the events did.
    """
    found = Audit()
    connection = Connection.objects.get(account=account.id, is_test=not account.livemode)
    _events(found, connection, account, set(planted))
    _rows(found, connection)
    told = _told_kinds(connection, account, planted)
    _objects(found, connection, told)
    _people(found, account, told)
    _purchases(found, account, told)
    _derived(found, connection)
    if again:
        _again(found, connection, account, planted)
    return found


def _events(found: Audit, connection: Connection, account: SandboxAccount, planted: set[str]) -> None:
    held = dict(InboundEvent.objects.filter(connection=connection).values_list("event_id", "state"))
    since = min(resource.since for resource in connection.resources.all()).timestamp()
    for event in account.events():
        if event["type"] in connection.endpoint_events and event["created"] >= since and event["id"] not in planted:
            where = held.get(event["id"])
            if where is None:
                found.lost.append(f"{event['type']} {event['id']} never came in")
            elif where not in _ENDED | {State.DEAD}:
                found.lost.append(f"{event['type']} {event['id']} is {where}")
    dead = {event_id for event_id, where in held.items() if where == State.DEAD}
    found.dead += [f"{event_id} was set aside" for event_id in dead - planted]
    found.dead += [f"{event_id} should be set aside, but is {held.get(event_id)}" for event_id in planted - dead]


def _rows(found: Audit, connection: Connection) -> None:
    for model in (InboundEvent, SyncWindow):
        late = model.objects.claimed().filter(lease_until__lt=Now())
        found.overdue += [f"{model.__name__} {pk} runs past its lease" for pk in late.values_list("pk", flat=True)]
    failed = FailedDerivation.objects.filter(connection=connection)
    found.overdue += [f"{row} could not be derived: {row.last_error}" for row in failed]
    wished = RemoteObject.objects.filter(connection=connection, wanted_at__isnull=False)
    found.overdue += [f"{row} is still wanted" for row in wished]
    found.overdue += _waiting_in_vain(connection)
    open_runs = SyncRun.objects.filter(resource__connection=connection, state__in=SyncRun.OPEN)
    found.overdue += [f"{run} is still {run.state}" for run in open_runs]
    logged = SyncLogEntry.objects.filter(connection=connection, inbound__isnull=False)
    twice = logged.values("inbound", "replay").annotate(n=Count("pk")).filter(n__gt=1)
    found.doubled += [f"log rows of event {row['inbound']}" for row in twice]
    ended = InboundEvent.objects.filter(connection=connection, state=State.DONE, log=None)
    found.lost += [f"{event} is done without a log row" for event in _not_quiet(ended)]


def _waiting_in_vain(connection: Connection) -> Iterable[str]:
    """Events that wait though every object they want is held, and none of these is to be read anew."""
    there = RemoteObject.objects.filter(connection=connection, body__isnull=False, wanted_at__isnull=True)
    held = {row.key for row in there.only("type", "external_id")}
    for event in InboundEvent.objects.filter(connection=connection, state=State.WAITING):
        if held.issuperset(event.waits_for):
            yield f"{event} waits for {', '.join(event.waits_for) or 'nothing'}, which is held"


def _not_quiet(events: Iterable[InboundEvent]) -> list[InboundEvent]:
    """Events that only keep objects fresh write no row, by design."""
    from connections.sources.stripe.events import SUPPORTING

    quiet = {type_ for types in SUPPORTING.values() for type_ in types}
    return [event for event in events if event.type not in quiet]


def _told_kinds(connection: Connection, account: SandboxAccount, planted: Collection[str]) -> dict[str, list[Json]]:
    """Kind -> the sandbox's objects that we must know of: by an event that was not planted to fail, or by an import."""
    since = min(resource.since for resource in connection.resources.all()).timestamp()
    told = {
        event["data"]["object"]["id"]
        for event in account.events()
        if event["id"] not in planted and event["type"] in connection.endpoint_events and event["created"] >= since
    }
    imported = SyncRun.objects.imports().filter(resource__connection=connection, state=SyncRun.State.DONE)
    whole = set(imported.values_list("resource__kind", flat=True))
    return {
        kind: [one for one in account.objects(kind) if one["id"] in told or kind.replace(".", "_") in whole]
        for kind in _WATCHED
    }


def _objects(found: Audit, connection: Connection, told: dict[str, list[Json]]) -> None:
    """Lost: an object we were told of and do not hold. Stale: held in another state than the sandbox's newest."""
    held = {row.key: row for row in RemoteObject.objects.filter(connection=connection, body__isnull=False)}
    for kind, objects in told.items():
        for newest in objects:
            key = f"{kind.replace('.', '_')}:{newest['id']}"
            row = held.get(key)
            if row is None:
                found.lost.append(f"{key} is not held")
                continue
            if newest.get("deleted") and row.deleted_at:
                continue
            if different := _differences(row.body or {}, newest):
                found.stale.append(f"{row.key} in {', '.join(different)}")


def _differences(held: Json, newest: Json) -> list[str]:
    shared = (held.keys() & newest.keys()) - _SHAPED
    return sorted(name for name in shared if _plain(held[name]) != _plain(newest[name]))


def _plain(value: Any) -> Any:
    """An object in full and its id are the same."""
    if isinstance(value, dict) and "id" in value and "object" in value:
        return value["id"]
    return json.loads(json.dumps(value))


def _people(found: Audit, account: SandboxAccount, told: dict[str, list[Json]]) -> None:
    """One contact a customer, with the values the customer has now (the rows of the mapping write them)."""
    identities = Identity.objects.filter(account=account.id, is_test=not account.livemode).select_related("contact")
    by_customer: dict[str, list[Contact]] = {}
    for identity in identities:
        by_customer.setdefault(identity.external_id, []).append(identity.contact)
    customers = told["customer"]
    values: dict[str, set[tuple[str, ...]]] = {}
    for customer in customers:
        values.setdefault(customer.get("email") or "", set()).add(_values(customer))
    for customer in customers:
        people = by_customer.get(customer["id"], [])
        if len(people) > 1:
            found.doubled.append(f"contacts of {customer['id']}")
        if not customer.get("email") or customer.get("deleted"):
            continue
        if not people:
            found.lost.append(f"contact of {customer['id']}")
        elif (shown := _shown(people[0])) not in values[customer["email"]]:
            # Customers with one address are one contact; the newest of them speaks.
            found.stale.append(f"contact of {customer['id']}: {shown}, at Stripe {_values(customer)}")
    addresses = Counter(Contact.objects.filter(merged_into=None).values_list("is_test", "email_key"))
    found.doubled += [f"contact {key}" for (_, key), count in addresses.items() if key and count > 1]
    keys = Counter(Activity.objects.values_list("dedupe", flat=True))
    found.doubled += [f"activity {key}" for key, count in keys.items() if count > 1]


def _values(customer: Json) -> tuple[str, ...]:
    """What the rows of the mapping write."""
    return tuple(customer.get(name) or "" for name in ("email", "name", "phone"))


def _shown(contact: Contact) -> tuple[str, ...]:
    return contact.email, f"{contact.first_name} {contact.last_name}".strip(), contact.phone


def _purchases(found: Audit, account: SandboxAccount, told: dict[str, list[Json]]) -> None:
    held = Counter(RecurringPayment.objects.filter(account=account.id).values_list("store_recurring_payment_id"))
    for subscription in told["subscription"]:
        if (count := held[(subscription["id"],)]) != 1:
            (found.doubled if count else found.lost).append(f"recurring payment {subscription['id']} ({count})")
    orders = Counter(OrderReference.objects.filter(order__account=account.id).values_list("reference", flat=True))
    for kind in ("invoice", "checkout.session", "charge"):
        for one in told[kind]:
            key = f"{kind.replace('.', '_')}:{one['id']}"
            is_purchase = one.get("mode", "payment") == "payment" and one["status"] != "draft"
            if is_purchase and orders[key] != 1:
                (found.doubled if orders[key] else found.lost).append(f"order of {key} ({orders[key]})")
    # Each payment belongs to one order: the sums must agree with what the sandbox says came in.
    received = sum(Order.objects.filter(account=account.id).received().values_list("total", flat=True))
    paid = sum(one["amount"] for one in told["charge"] if one["paid"])
    if received != paid:
        found.doubled.append(f"orders say {received} came in, at Stripe it is {paid}")


def _derived(found: Audit, connection: Connection) -> None:
    """Stale: a recurring payment or order that shows, in any field, something else than the objects held make of it."""
    held = RemoteObject.objects.filter(connection=connection, body__isnull=False, type__in=_DERIVED_FROM)
    told = derived.Told(database_now(), Origin.USER, "audit", silent=True)
    with transaction.atomic():
        before = _all_rows(connection)
        derived.refresh(connection, {row.key: told for row in held.only("type", "external_id")})
        after = _all_rows(connection)
        transaction.set_rollback(True)
    for name in after:
        found.stale += [f"{name}: {row}" for row in (before[name] - after[name]).elements()]
        found.lost += [f"{name}: {row}" for row in (after[name] - before[name]).elements()]


def _again(found: Audit, connection: Connection, account: SandboxAccount, planted: Collection[str]) -> None:
    """Lost, doubled, stale: rows that differ from those a calm worker derives from the same events."""
    under_fire = _all_rows(connection)
    forget()
    for event in account.events():
        if event["type"] in connection.endpoint_events and event["id"] not in planted:
            body = json.dumps(event).encode()
            stored_events.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    work()
    calm = _all_rows(connection)
    for name, rows in calm.items():
        found.lost += [f"{name}: {row}" for row in (rows - under_fire[name]).elements()]
        found.doubled += [f"{name}: {row}" for row in (under_fire[name] - rows).elements()]


def _all_rows(connection: Connection) -> dict[str, Counter[str]]:
    rows = {name: Counter(str(row) for row in found) for name, found in state(API_VERSION).items()}
    told = Activity.objects.filter(kind="source.event").values_list("dedupe", flat=True)
    # Which event made a contact depends on which came first.
    made = Activity.objects.filter(kind="contact.created").values_list("contact__email", flat=True)
    rows["activities"] = Counter(told) + Counter(f"{email} created" for email in made)
    return rows
