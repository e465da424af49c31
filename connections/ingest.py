"""One path for everything that comes in: webhook batches, pages of history, polled events.

It names the steps; the app that owns a table owns its statements. Everything of a call stands in the caller's one
transaction. No HTTP here: a record that needs an object we do not hold comes back as waiting.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from common.origin import Origin
from connections import deferring, derived, edits, log, mapping, remote_objects, telling
from connections.derived import Told
from connections.guard import Verdict
from connections.incoming import Batch, Incoming, Outcome, Result
from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.sources.base import ObjectState
from connections.sources.stripe import translate
from connections.sources.stripe.events import SUPPORTING
from contacts import records as contacts
from contacts.fields import targets
from contacts.records import ContactRecord

STORED = (Verdict.TAKEN, Verdict.ENRICHED, Verdict.LATE, Verdict.TIED, Verdict.REVERSED)


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
    read because the batch's mappings follow them. `importing`: pages of an import, which leave only
    marks of what follows.

    IntegrityError or a deadlock means another worker was at the same rows: roll back and call again.
    """
    resources = {r.kind: r for r in connection.resources.active().select_related("mapping")}
    outcomes = [_admit(resources, incoming) for incoming in batch]
    states = [
        _states(incoming) if admitted_or_supporting(o) else [] for incoming, o in zip(batch, outcomes, strict=True)
    ]
    all_states = [*(state for group in states for state in group), *along]
    if not importing:
        deferring.catch_up(connection, all_states)
    meets = None if importing else derived.is_met_at
    reads = {kind: mapping.keys(r.mapping.rows) if r.mapping else set() for kind, r in resources.items()}
    needs = [_needs(incoming, outcome, reads) for incoming, outcome in zip(batch, outcomes, strict=True)]
    held = remote_objects.hold(connection, all_states, set().union(*needs), meets)
    work = Batch(connection, resources, targets(), held, importing)
    verdicts = iter(held.verdicts)
    own_verdicts: list[Verdict | None] = []
    for outcome, group in zip(outcomes, states, strict=True):
        told = [next(verdicts) for _ in group]
        # Its own object counts even where it says nothing new: it may be the first that asks for what follows from it.
        # What came along counts only if it changed: everybody's price must not bring everybody's subscription anew.
        kept = {s.key for s, verdict in zip(group, told, strict=True) if verdict in STORED}
        own = {s.key for s, verdict in zip(group[:1], told, strict=False) if importing or verdict is Verdict.HELD}
        outcome.stored, outcome.late = kept | own, told[:1] == [Verdict.LATE]
        own_verdicts.append(told[0] if told else None)
    behind = {s.key: _read(connection, s) for s, verdict in zip(along, verdicts, strict=True) if verdict in STORED}
    _note_missing(work, batch, outcomes, own_verdicts, needs, reads)
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
    return [s._replace(waited=True) if s.key in waited else s for s in incoming.translation.states]


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
    elif incoming.event and not incoming.event.replays and record.occurred_at < resource.since:
        outcome.result, outcome.reason = Result.IGNORED, "from before this resource was connected"
    elif (
        incoming.event
        and record.occurred_at < resource.wants_from(type_)
        and not _was_wanted(incoming.event, resource.wants_from(type_))
    ):
        outcome.result, outcome.reason = Result.IGNORED, "from before this event was switched on"
        outcome.quiet = supporting
    return outcome


def _was_wanted(event: InboundEvent, begun: datetime) -> bool:
    """Of what happened before its type was switched on: was it wanted all the same, before that was switched off?

    Only what was wanted waits for an object. What was tried before the present beginning was wanted then; and whoever
    asks for a replay wants it now.
    """
    return bool(event.replays or event.waits_for or (event.attempts and event.received_at < begun))


def _needs(incoming: Incoming, outcome: Outcome, reads: dict[str, set[str]]) -> set[str]:
    """Keys of the objects besides its own that a record is read from. `reads`: source keys of mappings, by resource."""
    record = incoming.translation.record
    if record is None or outcome.result == Result.IGNORED:
        return set()
    needed = translate.needs(record.after, reads[record.resource])
    return needed if record.subject == record.key else needed | {record.subject}


def _note_missing(
    work: Batch,
    batch: list[Incoming],
    outcomes: list[Outcome],
    verdicts: list[Verdict | None],
    needs: list[set[str]],
    reads: dict[str, set[str]],
) -> None:
    """Let events wait for objects they need and we do not hold; those are wished for, all at once.

    A row of a list never waits, as nobody comes back for it. What it needs itself was read ahead; only of a newer state
    that an event told something may lack, and that event tells it once it has come.
    """
    asked: list[tuple[Outcome, set[str]]] = []
    rows: list[Outcome] = []
    for incoming, outcome, verdict, needed in zip(batch, outcomes, verdicts, needs, strict=True):
        record = incoming.translation.record
        if record is None or outcome.result == Result.IGNORED:
            continue
        if incoming.run:
            rows.append(outcome)
        if incoming.event and verdict is Verdict.WANTED:
            # The payloads do not tell which state is newer: the event goes on when the object has been read.
            outcome.waits_for = {record.key}
            continue
        subject = work.held.rows.get(record.subject)
        if subject and record.subject == record.key and _is_as_it_came(subject, incoming):
            asked.append((outcome, needed))
            continue
        if record.subject != record.key and (subject is None or subject.body is None):
            asked.append((outcome, {record.subject}))
            continue
        body = subject.body if subject and subject.body is not None else record.after
        asked.append((outcome, translate.needs(body, reads[record.resource])))
    lacking = remote_objects.want(work.connection, work.held, set().union(*(keys for _, keys in asked)))
    for outcome, keys in asked:
        outcome.waits_for = keys & lacking
    for outcome in rows:
        outcome.lacks, outcome.waits_for = outcome.waits_for, set()


def _is_as_it_came(row: RemoteObject, incoming: Incoming) -> bool:
    """Does the row hold this record's state, and not one of before, or of another record of the batch?"""
    states = incoming.translation.states
    return bool(states) and (row.event_id, row.as_of) == (states[0].event_id, states[0].as_of)


def _apply(
    work: Batch,
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
            told.append((i, telling.contact_record(work, batch[i], outcomes[i], held, log_ids[i])))
    for (i, _), result in zip(told, contacts.apply([record for _, record in told]), strict=True):
        telling.conclude(outcomes[i], result, verdicts[i])
    changed = behind | _changed(batch, outcomes)
    if work.importing:
        deferring.defer(work.connection, changed, work.held)
    else:
        derived.refresh(work.connection, changed, work.held, edits.of(batch, outcomes))
    return [telling.log_entry(work, batch[i], outcomes[i], log_ids[i]) for i in ready]


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
