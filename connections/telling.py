"""What a record that comes in tells contacts and the log."""

from __future__ import annotations

from typing import Any

from common import rows
from connections import mapping
from connections.guard import Verdict
from connections.incoming import Batch, Incoming, Outcome, Result
from connections.models import Connection, SyncLogEntry
from connections.sources.base import HeldObject, SourceRecord, View
from connections.sources.stripe import shapes, words
from contacts import records as contacts
from contacts.records import ContactOutcome, ContactRecord

TAG = "stripe-integration"
NO_EMAIL = "the mapped email is empty"
# Why a state counts that may not be the newest.
_CAME_LAST = {
    Verdict.TIED: "Another event of the same second tells a different state, and Stripe could not be asked "
    "which is right. The one that came last was taken.",
    Verdict.REVERSED: "This undoes what Stripe never undoes, and Stripe could not be asked which is right. "
    "What came last was taken.",
}


def contact_record(
    work: Batch, incoming: Incoming, outcome: Outcome, held: dict[str, HeldObject], log_id: int
) -> ContactRecord:
    record, resource = incoming.translation.record, outcome.resource
    assert record and resource and resource.mapping  # noqa: S101  admitted records have all three
    own = held.get(record.subject) or HeldObject(record.object_type, record.object_id, record.occurred_at, record.after)
    row = work.held.rows.get(record.subject)
    # The tombstone of a deleted object says nothing of it; an event of something else about it may.
    if own.gone and shapes.is_stub(own.body):
        own = HeldObject(own.type, own.id, own.as_of, record.after, gone=True)
    mapped = mapping.apply(resource.mapping.rows, View(resource.kind, own, held), work.targets, log_id)
    outcome.warnings = mapped.warnings + [f"Not read yet, so left empty: {key}." for key in sorted(outcome.lacks)]
    customer = shapes.customer_id(own.body)[:255] or None
    return ContactRecord(
        source=work.connection.source,
        account=work.connection.account,
        is_test=work.connection.is_test,
        external_id=customer,
        email=mapped.email,
        owns_email=own.type == "customer",
        facts=(*mapped.facts, *mapped.withdrawn),
        tags=(TAG, f"{TAG}-{record.event_type}") if record.event_type else (TAG,),
        occurred_at=record.occurred_at,
        origin=incoming.via,
        key=incoming.key,
        log=log_id,
        event_type=record.event_type,
        summary=words.sentence(record.event_type, record.after) if record.event_type else "",
        data=_about(work.connection, record),
        deleted_at=row.deleted_at if row and own.type == "customer" else None,
        silent=bool(incoming.run and not incoming.run.starts_automations),
    )


def _about(connection: Connection, record: SourceRecord) -> dict[str, Any]:
    """What a reader of the timeline, and later a trigger, may want to know of the event."""
    about: dict[str, Any] = {
        "source": connection.source,
        "connection": connection.pk,
        "object": record.object_id,
        "event_id": record.event_id,
    }
    status, before = record.after.get("status"), record.before
    if isinstance(status, str):
        about["status"] = status
        if before and isinstance(before.get("status"), str) and before["status"] != status:
            about["status_before"] = before["status"]
    if amount := words.amount(record.event_type, record.after):
        about |= {"amount": amount[0], "currency": amount[1]}
    if record.object_type == "invoice" and (subscription := shapes.invoice_subscription(record.after)):
        about["subscription"] = subscription
    return about


def conclude(outcome: Outcome, result: ContactOutcome, verdict: Verdict | None) -> None:
    outcome.contact = result.contact
    outcome.changes = [change.as_json() for change in result.changes]
    outcome.result = result.result
    notes = list(result.notes)
    if verdict in _CAME_LAST:
        notes.append(_CAME_LAST[verdict])
    if result.result == contacts.SKIPPED:
        notes.append(NO_EMAIL)
    elif verdict in (Verdict.STALE, Verdict.LATE) and result.result == contacts.UNCHANGED:
        outcome.result = Result.STALE
        notes.append("a newer state of this object was already known")
    outcome.reason = " ".join(notes)


def log_entry(work: Batch, incoming: Incoming, outcome: Outcome, log_id: int) -> SyncLogEntry:
    record, event = incoming.translation.record, incoming.event
    told = record or event
    assert told  # noqa: S101  an event without a record is still an event
    return rows.made(
        SyncLogEntry,
        id=log_id,
        connection_id=work.connection.pk,
        resource_kind=record.resource if record else "",
        run_id=incoming.run.pk if incoming.run else None,
        inbound_id=event.pk if event else None,
        replay=event.replays if event else 0,
        mapping_id=outcome.resource.mapping_id if outcome.resource and outcome.contact else None,
        via=incoming.via,
        event_id=event.event_id if event else "",
        event_type=event.type if event else "",
        object_id=told.object_id,
        contact_id=outcome.contact.pk if outcome.contact else None,
        contact_email=outcome.contact.email if outcome.contact else "",
        result=outcome.result,
        reason=outcome.reason[:500],
        changes=outcome.changes,
        warnings=outcome.warnings,
        occurred_at=told.occurred_at,
    )
