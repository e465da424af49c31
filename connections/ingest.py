"""One path for everything that comes in: webhook batches, pages of history, polled events.

It names the steps; the app that owns a table owns its statements. Everything of a call stands in the caller's one
transaction. No HTTP here: a record that needs an object we do not hold comes back as waiting.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from common import rows
from common.fields import Field
from common.origin import Origin
from connections import derived, edits, log, mapping, remote_objects
from connections.derived import Told
from connections.guard import Verdict
from connections.models import Connection, InboundEvent, Resource, SyncLogEntry, SyncRun
from connections.remote_objects import Held
from connections.sources.base import HeldObject, ObjectState, SourceRecord, Translation, View
from connections.sources.stripe import shapes, translate, words
from connections.sources.stripe.events import SUPPORTING
from contacts import records as contacts
from contacts.fields import targets
from contacts.records import ContactOutcome, ContactRecord

TAG = "stripe-integration"
Result = SyncLogEntry.Result
NO_EMAIL = "the mapped email is empty"
STORED = (Verdict.TAKEN, Verdict.ENRICHED)


@dataclass
class Incoming:
    """An event, or a row of history, on its way in. Exactly one of `event` and `run` is set."""

    translation: Translation
    via: Origin
    event: InboundEvent | None = None
    run: SyncRun | None = None

    @property
    def key(self) -> str:
        """Names the record once and for all: activities are made once per key."""
        record = self.translation.record
        if self.event:
            return f"{self.event.connection_id}:{self.event.event_id}"
        assert self.run and record  # noqa: S101  history always has both
        return f"{self.run.resource.connection_id}:{self.run.word}:{record.key}"


@dataclass
class Outcome:
    """What became of one Incoming. `waits_for`: keys of objects it needs first; `stored`: those it brought.

    `quiet`: no log row wanted.
    """

    result: str = Result.UNCHANGED
    reason: str = ""
    waits_for: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    quiet: bool = False
    changes: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    contact: Any = None
    resource: Resource | None = None


@dataclass
class _Batch:
    connection: Connection
    resources: dict[str, Resource]
    targets: dict[str, Field]
    held: Held
    importing: bool


def ingest(
    connection: Connection,
    batch: list[Incoming],
    started: float | None = None,
    along: Sequence[ObjectState] = (),
    *,
    importing: bool = False,
) -> list[Outcome]:
    """Apply a batch of one connection; one outcome each, in order, and their log rows.

    `started`: when work on the batch began, by time.monotonic(); the log shows each record's share. `along`: objects
    read because the batch's mappings follow them. `importing`: pages of an import, as derived.refresh has it.

    IntegrityError or a deadlock means another worker was at the same rows: roll back and call again.
    """
    resources = {r.kind: r for r in connection.resources.active().select_related("mapping")}
    outcomes = [_admit(resources, incoming) for incoming in batch]
    states = [
        _states(incoming) if admitted_or_supporting(o) else [] for incoming, o in zip(batch, outcomes, strict=True)
    ]
    all_states = [*(state for group in states for state in group), *along]
    held = remote_objects.hold(connection, all_states, _needed(batch, outcomes), derived.is_met_at)
    work = _Batch(connection, resources, targets(), held, importing)
    verdicts = iter(held.verdicts)
    own_verdicts: list[Verdict | None] = []
    for outcome, group in zip(outcomes, states, strict=True):
        told = [next(verdicts) for _ in group]
        # Its own object counts even where it says nothing new: it may be the first that asks for what follows from it.
        # What came along counts only if it changed: everybody's price must not bring everybody's subscription anew.
        kept = {s.key for s, verdict in zip(group, told, strict=True) if verdict in STORED}
        outcome.stored = kept | {s.key for s, verdict in zip(group[:1], told, strict=False) if verdict is Verdict.HELD}
        own_verdicts.append(told[0] if told else None)
    behind = {s.key: _read(connection, s) for s, verdict in zip(along, verdicts, strict=True) if verdict in STORED}
    _note_missing(work, batch, outcomes, own_verdicts)
    entries = _apply(work, batch, outcomes, own_verdicts, behind)
    if started is not None:
        each = max(1, int((time.monotonic() - started) * 1000 / max(1, len(batch))))
        for entry in entries:
            entry.duration_ms = each
    log.write(entries)
    return outcomes


def admitted_or_supporting(outcome: Outcome) -> bool:
    """Is the object worth holding? Those of events nobody asked for are not."""
    return outcome.result != Result.IGNORED or outcome.quiet


def _states(incoming: Incoming) -> list[ObjectState]:
    waited = set(incoming.event.waits_for) if incoming.event else set()
    return [replace(s, waited=True) if s.key in waited else s for s in incoming.translation.states]


def _admit(resources: dict[str, Resource], incoming: Incoming) -> Outcome:
    """Does anybody want this record? An event nobody wants says why, except one that only keeps objects fresh."""
    record = incoming.translation.record
    type_ = incoming.event.type if incoming.event else ""
    supporting = any(type_ in SUPPORTING[kind] for kind in resources)
    if record is None:
        return Outcome(Result.IGNORED, "not supported", quiet=supporting)
    resource = resources.get(record.resource)
    if resource is None:
        return Outcome(Result.IGNORED, "resource disconnected", quiet=supporting)
    outcome = Outcome(resource=resource)
    if incoming.event and type_ not in resource.events:
        outcome.result, outcome.reason, outcome.quiet = Result.IGNORED, "this event is switched off", supporting
    elif incoming.event and record.occurred_at < resource.since:
        outcome.result, outcome.reason = Result.IGNORED, "from before this resource was connected"
    return outcome


def _needed(batch: list[Incoming], outcomes: list[Outcome]) -> set[str]:
    keys: set[str] = set()
    for incoming, outcome in zip(batch, outcomes, strict=True):
        record = incoming.translation.record
        if record and outcome.result != Result.IGNORED:
            keys |= {record.subject} if record.subject != record.key else set()
            keys |= translate.needs(record.after, _source_keys(outcome))
    return keys


def _source_keys(outcome: Outcome) -> set[str]:
    return mapping.keys(outcome.resource.mapping.rows) if outcome.resource and outcome.resource.mapping else set()


def _note_missing(work: _Batch, batch: list[Incoming], outcomes: list[Outcome], verdicts: list[Verdict | None]) -> None:
    """Let records wait for objects they need and we do not hold; those are wished for, all at once."""
    asked: list[tuple[Outcome, set[str]]] = []
    for incoming, outcome, verdict in zip(batch, outcomes, verdicts, strict=True):
        record = incoming.translation.record
        if record is None or outcome.result == Result.IGNORED:
            continue
        if incoming.event and verdict is Verdict.WANTED:
            # The payloads do not tell which state is newer: the event goes on when the object has been read.
            outcome.waits_for = {record.key}
            continue
        subject = work.held.rows.get(record.subject)
        if record.subject != record.key and (subject is None or subject.body is None):
            asked.append((outcome, {record.subject}))
            continue
        body = subject.body if subject and subject.body is not None else record.after
        asked.append((outcome, translate.needs(body, _source_keys(outcome))))
    lacking = remote_objects.want(work.connection, work.held, set().union(*(keys for _, keys in asked)))
    for outcome, keys in asked:
        outcome.waits_for = keys & lacking


def _apply(
    work: _Batch,
    batch: list[Incoming],
    outcomes: list[Outcome],
    verdicts: list[Verdict | None],
    behind: dict[str, Told],
) -> list[SyncLogEntry]:
    """Contacts, and everything derived; the log rows, not written yet."""
    ready = [i for i, outcome in enumerate(outcomes) if not outcome.waits_for and not outcome.quiet]
    log_ids = dict(zip(ready, log.ids_for([batch[i].event for i in ready]), strict=True))
    held = work.held.objects()
    told: list[tuple[int, ContactRecord]] = []
    for i in ready:
        if outcomes[i].result != Result.IGNORED:
            told.append((i, _contact_record(work, batch[i], outcomes[i], held, log_ids[i])))
    for (i, _), result in zip(told, contacts.apply([record for _, record in told]), strict=True):
        _conclude(outcomes[i], result, verdicts[i])
    changed = behind | _changed(batch, outcomes)
    told_edits = edits.of(batch, outcomes)
    derived.refresh(work.connection, changed, work.held, told_edits, importing=work.importing)
    return [_log_entry(work, batch[i], outcomes[i], log_ids[i]) for i in ready]


def _changed(batch: list[Incoming], outcomes: list[Outcome]) -> dict[str, Told]:
    """Objects the batch brought, each with the fact that did."""
    changed = {}
    for incoming, outcome in zip(batch, outcomes, strict=True):
        record, event = incoming.translation.record, incoming.event
        told = record or event
        if told:
            silent = bool(incoming.run and not incoming.run.starts_automations)
            fact = Told(told.occurred_at, incoming.via, incoming.key, silent)
            changed.update(dict.fromkeys(outcome.stored, fact))
    return changed


def _read(connection: Connection, state: ObjectState) -> Told:
    return Told(state.as_of, Origin.HISTORY, f"{connection.pk}:history:{state.key}", silent=True)


def _contact_record(
    work: _Batch, incoming: Incoming, outcome: Outcome, held: dict[str, HeldObject], log_id: int
) -> ContactRecord:
    record, resource = incoming.translation.record, outcome.resource
    assert record and resource and resource.mapping  # noqa: S101  admitted records have all three
    own = held.get(record.subject) or HeldObject(record.object_type, record.object_id, record.occurred_at, record.after)
    # The tombstone of a deleted object says nothing of it; its last words, in the event, may.
    if own.gone and len(own.body) <= len(record.after):
        own = HeldObject(own.type, own.id, own.as_of, record.after, gone=True)
    mapped = mapping.apply(resource.mapping.rows, View(resource.kind, own, held), work.targets, log_id)
    outcome.warnings = mapped.warnings
    customer = shapes.customer_id(own.body)[:255] or None
    return ContactRecord(
        source=work.connection.source,
        account=work.connection.account,
        is_test=work.connection.is_test,
        external_id=customer,
        email=mapped.email,
        owns_email=own.type == "customer",
        facts=tuple(mapped.facts),
        tags=(TAG, f"{TAG}-{record.event_type}") if record.event_type else (TAG,),
        occurred_at=record.occurred_at,
        origin=incoming.via,
        key=incoming.key,
        log=log_id,
        event_type=record.event_type,
        summary=words.sentence(record.event_type, record.after) if record.event_type else "",
        data=_about(work.connection, record),
        deleted_at=own.as_of if own.gone and own.type == "customer" else None,
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


def _conclude(outcome: Outcome, result: ContactOutcome, verdict: Verdict | None) -> None:
    outcome.contact = result.contact
    outcome.changes = [change.as_json() for change in result.changes]
    outcome.result = result.result
    notes = list(result.notes)
    if result.result == contacts.SKIPPED:
        notes.append(NO_EMAIL)
    elif verdict is Verdict.STALE and result.result == contacts.UNCHANGED:
        outcome.result = Result.STALE
        notes.append("a newer state of this object was already known")
    outcome.reason = " ".join(notes)


def _log_entry(work: _Batch, incoming: Incoming, outcome: Outcome, log_id: int) -> SyncLogEntry:
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
