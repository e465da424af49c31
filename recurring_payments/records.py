"""Recurring payments as sources tell them, written a list at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone

from common import rows
from common.origin import Origin
from contacts.activities import NewActivity, record_activities
from contacts.models import Kind
from recurring_payments import words
from recurring_payments.models import RecurringPayment, Status


class Update(NamedTuple):
    """What one event says it changed: field -> (old, new). `is_news`: no newer state was known when it came."""

    changes: dict[str, tuple[Any, Any]]
    occurred_at: datetime
    origin: Origin
    key: str
    silent: bool
    is_news: bool


class RecurringPaymentRecord(NamedTuple):
    """One recurring payment as it is now. `values`: model fields by name; amounts in the smallest unit.

    `contact_id` is None while nobody is known for it. `key` names the fact that told it, for the timeline. `updates`
    are told each for itself, oldest first, even where one took back another. `silent_if_new`: nobody is told that it
    began, which is old news.
    """

    source: str
    account: str
    is_test: bool
    store_recurring_payment_id: str
    contact_id: int | None
    values: dict[str, Any]
    occurred_at: datetime
    origin: Origin
    key: str
    silent: bool = False
    silent_if_new: bool = False
    updates: tuple[Update, ...] = ()


# What a person or an automation would call a change; the rest only follows from these.
TOLD = (
    "normalized_status",
    "store_status",
    "payment_amount",
    "currency",
    "billing_interval",
    "billing_interval_count",
    "name",
    "next_payment_date",
    "last_payment_status",
    "last_payment_date",
    "cancel_at_period_end",
    "cancel_at",
    "cancelled_date",
    "is_trial",
    "payment_method_expiration",
    "mrr_amount",
)


def upsert(records: list[RecurringPaymentRecord]) -> None:
    """Write the records inside the caller's transaction, in order of their ids. Writing one twice equals once.

    IntegrityError if another worker makes the same row just now: roll back and call again.
    """
    newest = {_identity(record): record for record in records}
    ordered = [newest[identity] for identity in sorted(newest)]
    held = _held(ordered)
    new: list[RecurringPayment] = []
    changed: list[RecurringPayment] = []
    told: list[tuple[RecurringPayment, RecurringPaymentRecord, Kind, list[dict[str, Any]]]] = []
    for record in ordered:
        row = held.get(_identity(record))
        if row is None:
            row = rows.made(RecurringPayment, **_origin(record), **record.values, contact_id=record.contact_id)
            new.append(row)
            created = record._replace(silent=record.silent or record.silent_if_new)
            told.append((row, created, Kind.RECURRING_PAYMENT_CREATED, []))
            told += [(row, fact, Kind.RECURRING_PAYMENT_UPDATED, some) for fact, some in _updates(record, {}).values()]
            continue
        before = {name: getattr(row, name) for name in TOLD}
        if _apply(row, record):
            changed.append(row)
        after = {name: (before[name], getattr(row, name)) for name in TOLD}
        facts = _updates(record, after).values()
        told += [(row, fact, Kind.RECURRING_PAYMENT_UPDATED, some) for fact, some in facts]
    rows.insert(new)
    rows.update(changed, _WRITTEN)
    record_activities(_activity(*one) for one in told)


def _held(records: Iterable[RecurringPaymentRecord]) -> dict[tuple[Any, ...], RecurringPayment]:
    # The unique index begins with source, account and mode.
    places: dict[tuple[str, str, bool], list[str]] = {}
    for record in records:
        place = record.source, record.account, record.is_test
        places.setdefault(place, []).append(record.store_recurring_payment_id)
    matching = Q(pk__in=[])
    for (source, account, is_test), ids in sorted(places.items()):
        matching |= Q(source=source, account=account, is_test=is_test, store_recurring_payment_id__one_of=ids)
    wanted = RecurringPayment.objects.filter(matching).order_by("pk").select_for_update()
    return {_identity(row): row for row in rows.read(wanted)}


def _identity(row: RecurringPaymentRecord | RecurringPayment) -> tuple[Any, ...]:
    return row.source, row.account, row.is_test, row.store_recurring_payment_id


def _origin(record: RecurringPaymentRecord) -> dict[str, Any]:
    names = ("source", "account", "is_test", "store_recurring_payment_id")
    return {name: getattr(record, name) for name in names}


def _apply(row: RecurringPayment, record: RecurringPaymentRecord) -> bool:
    """Set what differs; whether anything did."""
    values = record.values | ({"contact_id": record.contact_id} if record.contact_id else {})
    differing = {name: new for name, new in values.items() if getattr(row, name) != new}
    for name, new in differing.items():
        setattr(row, name, new)
    row.last_synced_at = timezone.now()
    return bool(differing)


def _updates(
    record: RecurringPaymentRecord, net: dict[str, tuple[Any, Any]]
) -> dict[str, tuple[RecurringPaymentRecord, list[dict[str, Any]]]]:
    """By key, each fact that changed something, and its changes: first what events say of themselves, then what is left
    of the `net` change, field -> (old, new).
    """
    told: dict[str, tuple[RecurringPaymentRecord, list[dict[str, Any]]]] = {}
    reached = {name: old for name, (old, _) in net.items()}
    for update in record.updates:
        fact = record._replace(
            occurred_at=update.occurred_at, origin=update.origin, key=update.key, silent=update.silent
        )
        told[update.key] = fact, [_change(name, old, new) for name, (old, new) in update.changes.items()]
        if update.is_news:
            reached |= {name: new for name, (_, new) in update.changes.items() if name in reached}
    if left := [_change(name, reached[name], new) for name, (_, new) in net.items() if reached[name] != new]:
        told.setdefault(record.key, (record, []))[1].extend(left)
    return told


def _change(name: str, old: Any, new: Any) -> dict[str, Any]:
    return {"field": name, "old": _json(old), "new": _json(new)}


def _activity(
    row: RecurringPayment, record: RecurringPaymentRecord, kind: Kind, changes: list[dict[str, Any]]
) -> NewActivity:
    status = Status(row.normalized_status).label.lower()
    told = {change["field"]: (change["old"], change["new"]) for change in changes}
    occurred_at = record.occurred_at
    if kind is Kind.RECURRING_PAYMENT_CREATED and record.silent:
        # History tells of it long after it began; nobody reacts to that any more.
        occurred_at = row.store_created_date or occurred_at
    summary = words.started(row) if kind is Kind.RECURRING_PAYMENT_CREATED else words.updated(row, told)
    return NewActivity(
        contact_id=row.contact_id,
        kind=kind,
        occurred_at=occurred_at,
        summary=summary,
        origin=record.origin,
        dedupe=f"{record.key}:{kind.value}:{row.store_recurring_payment_id}",
        is_test=row.is_test,
        changes=changes,
        data={
            "recurring_payment": row.pk,
            "external_id": row.store_recurring_payment_id,
            "status": status,
            "currency": row.currency,
        },
        silent=record.silent,
    )


def _json(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


_KEYS = {"id", "created_at", "source", "account", "is_test", "store_recurring_payment_id", "contact"}
_WRITTEN = [field.name for field in RecurringPayment._meta.concrete_fields if field.name not in _KEYS] + ["contact"]
