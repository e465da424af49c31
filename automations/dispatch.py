"""Activities start automations: what nobody has looked at yet is pulled, matched and marked, a batch a transaction."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from automations import starting
from automations.declarations import Trigger, trigger
from automations.models import Automation, AutomationVersion, Awaited
from automations.starting import Start
from common import rows
from connections.models import Connection
from contacts.merging import hold_merges
from contacts.models import Activity, Kind
from orders.models import Order
from recurring_payments.models import RecurringPayment

BATCH = 1000
DRAIN_SECONDS = 20
# A charge and an invoice of one purchase may be two orders until the tie between them comes; the repeated activity is
# gone then.
ORDERS_SETTLE = timedelta(seconds=5)
# A guest's address may come with a later event.
CONTACTS_COME = timedelta(minutes=30)
_ORDERS = (Kind.ORDER_CREATED, Kind.ORDER_PAID, Kind.ORDER_REFUNDED, Kind.ORDER_REFUND_FAILED, Kind.ORDER_DISPUTED)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Look at what is undispatched until nothing is or the time is up. Returns how many activities were looked at."""
    ends, looked_at = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        count = batch()
        looked_at += count
        if count < BATCH:
            break
    return looked_at


def ready() -> QuerySet[Activity]:
    """Undispatched activities whose time has come, oldest first."""
    return (
        Activity.objects.filter(dispatched_at=None)
        .exclude(kind__in=_ORDERS, recorded_at__gt=Now() - ORDERS_SETTLE)
        .exclude(contact=None, recorded_at__gt=Now() - CONTACTS_COME)
        .order_by("pk")
    )


def settling() -> QuerySet[Activity]:
    """Those that will be ready within seconds."""
    fresh = Activity.objects.filter(dispatched_at=None, kind__in=_ORDERS, recorded_at__gt=Now() - ORDERS_SETTLE)
    return fresh.exclude(contact=None)


@transaction.atomic
def batch() -> int:
    """Match a batch and mark it. Other workers skip what this one has."""
    hold_merges()
    activities = rows.read(ready().select_for_update(skip_locked=True, no_key=True)[:BATCH])
    if not activities:
        return 0
    known = [one for one in activities if one.contact_id]
    starting.enter(starts(known))
    _await([one for one in activities if one.contact_id is None])
    if known:
        starting.nudge(one.contact_id for one in known if one.contact_id)
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [[one.pk for one in activities]])
    return len(activities)


_MARK = "update contacts_activity set dispatched_at = statement_timestamp() where id = any(%s)"


def starts(activities: list[Activity], listening: Mapping[int, Container[int]] | None = None) -> list[Start]:
    """What these activities start, all with a contact. `listening`: activity -> the only automations that count."""
    by_kind = _by_kind(activities)
    found = [
        (version, one, activity)
        for version in _versions()
        for one, declared in _triggers(version)
        for activity in _of_conditions(_matching(by_kind, version, one, declared), version, one)
        if listening is None or version.automation_id in listening[activity.pk]
    ]
    subjects = Subjects([activity for *_, activity in found])
    return [_start(version, one, activity, subjects) for version, one, activity in found]


def _await(nobodys: list[Activity]) -> None:
    """Recurring payments begin for whoever they turn out to belong to (`awaiting`); of the others nothing follows."""
    by_kind = _by_kind([one for one in nobodys if one.kind == Kind.RECURRING_PAYMENT_CREATED])
    found = [
        (version.automation_id, activity, activity.data.get("recurring_payment"))
        for version in (_versions() if by_kind else ())
        for one, declared in _triggers(version)
        for activity in _matching(by_kind, version, one, declared)
    ]
    payments = RecurringPayment.objects.filter(pk__in={payment for *_, payment in found if payment})
    there = set(payments.values_list("pk", flat=True)) if found else set()
    awaited = [
        Awaited(automation_id=automation, activity=activity, recurring_payment_id=payment)
        for automation, activity, payment in found
        if payment in there
    ]
    Awaited.objects.bulk_create(awaited, ignore_conflicts=True)


def _by_kind(activities: list[Activity]) -> dict[tuple[str, bool], list[Activity]]:
    by_kind: dict[tuple[str, bool], list[Activity]] = defaultdict(list)
    for activity in activities:
        by_kind[activity.kind, activity.is_test].append(activity)
    return by_kind


def _versions() -> Iterator[AutomationVersion]:
    for automation in Automation.objects.active().select_related("current").order_by("pk"):
        if automation.current:
            # What the version would otherwise ask the database for.
            automation.current.automation = automation
            yield automation.current


def _triggers(version: AutomationVersion) -> Iterator[tuple[dict[str, Any], Trigger]]:
    for one in version.triggers:
        if declared := trigger(one["key"]):
            yield one, declared


def _matching(
    by_kind: dict[tuple[str, bool], list[Activity]], version: AutomationVersion, one: dict[str, Any], declared: Trigger
) -> list[Activity]:
    """The activities of the batch that this trigger starts on. At most one question, whatever their number."""
    parameters = one.get("parameters", {})
    offered = [a for kind in declared.kinds for a in by_kind.get((kind, version.automation.is_test), [])]
    found = [activity for activity in offered if declared.matches(activity, parameters)]
    if found and declared.among:
        kept = declared.among(found, parameters)
        found = [activity for activity in found if activity.pk in kept]
    return found


def _of_conditions(found: list[Activity], version: AutomationVersion, one: dict[str, Any]) -> list[Activity]:
    """Those whose contact the trigger is narrowed to. One question at most."""
    if found and one.get("conditions"):
        among = {activity.contact_id for activity in found if activity.contact_id}
        people = starting.matching(one["conditions"], among, is_test=version.automation.is_test)
        found = [activity for activity in found if activity.contact_id in people]
    return found


class Subjects:
    """Recurring payments and orders that a batch's activities are about, found in three questions."""

    def __init__(self, activities: list[Activity]) -> None:
        named = {str(a.data[key]) for a in activities for key in ("object", "subscription") if a.data.get(key)}
        told = {pk for a in activities if isinstance(pk := a.data.get("recurring_payment"), int)}
        orders = {pk for a in activities if isinstance(pk := a.data.get("order"), int)}
        payments: QuerySet[RecurringPayment] = RecurringPayment.objects.none()
        if named or told:
            payments = RecurringPayment.objects.filter(Q(pk__in=told) | _named(activities, named))
        self.payments: set[int] = set()
        self.by_id: dict[tuple[str, bool], int] = {}
        for pk, id_, is_test in payments.values_list("pk", "store_recurring_payment_id", "is_test"):
            self.payments.add(pk)
            self.by_id[id_, is_test] = pk
        self.orders = set(Order.objects.filter(pk__in=orders).values_list("pk", flat=True)) if orders else set()

    def payment(self, activity: Activity) -> int | None:
        told = activity.data.get("recurring_payment")
        if told in self.payments:
            return int(told)
        ids = (activity.data.get("subscription"), activity.data.get("object"))
        return next((pk for id_ in ids if id_ and (pk := self.by_id.get((id_, activity.is_test)))), None)

    def order(self, activity: Activity) -> int | None:
        told = activity.data.get("order")
        return int(told) if told in self.orders else None


def _named(activities: list[Activity], ids: set[str]) -> Q:
    """Recurring payments by their ids at the source. The unique index begins with what says which account."""
    connections = {pk for a in activities if isinstance(pk := a.data.get("connection"), int)}
    places = Connection.objects.filter(pk__in=connections).values_list("source", "account", "is_test")
    matching = Q(pk__in=[])
    for source, account, is_test in sorted(set(places)):
        matching |= Q(source=source, account=account, is_test=is_test, store_recurring_payment_id__in=ids)
    return matching


def _start(version: AutomationVersion, one: dict[str, Any], activity: Activity, subjects: Subjects) -> Start:
    assert activity.contact_id  # noqa: S101  those without were left out
    depth = activity.data.get("depth")
    return Start(
        version=version,
        trigger=one["key"],
        contact_id=activity.contact_id,
        key=f"activity:{activity.pk}",
        words=activity.summary,
        is_test=activity.is_test,
        once=bool(one.get("once")),
        activity_id=activity.pk,
        recurring_payment_id=subjects.payment(activity),
        order_id=subjects.order(activity),
        event=event_of(activity),
        depth=depth if isinstance(depth, int) else 0,
    )


def event_of(activity: Activity) -> dict[str, Any]:
    """What mails and conditions may say of it: plain values by name."""
    told = {key: value for key, value in activity.data.items() if isinstance(value, str | int | float | bool)}
    return told | {
        "type": activity.data.get("event_type") or activity.kind,
        "summary": activity.summary,
        "occurred_at": activity.occurred_at.isoformat(),
    }
