"""What a source knows of people, written to contacts: one list of records at a time, in one transaction.

A contact is matched by the customer's id at the source, then by its normalised address. Records of a batch are worked
in their order; the same contact may stand in several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db import transaction

from common.origin import Origin
from contacts import facts
from contacts.activities import NewActivity, record_activities
from contacts.email import email_key
from contacts.matching import People
from contacts.models import Contact, Kind
from contacts.tagging import add_tags

CREATED, UPDATED, UNCHANGED, SKIPPED = "created", "updated", "unchanged", "skipped"


class ContactRecord(NamedTuple):
    """One event or history record, as far as it concerns a contact.

    `email` finds or creates the contact; only a record that `owns_email` (a customer object) changes the address of a
    known one. `told`: tell the timeline of `event_type`, which history does not. `key` names the record once and for
    all; activities with the same key are made once.
    """

    source: str
    account: str
    is_test: bool
    external_id: str | None
    email: facts.Fact | None
    owns_email: bool
    facts: tuple[facts.Fact, ...]
    tags: tuple[str, ...]
    occurred_at: datetime
    origin: Origin
    key: str
    log: int
    event_type: str = ""
    summary: str = ""
    data: Mapping[str, Any] = MappingProxyType({})
    deleted_at: datetime | None = None
    silent: bool = False


@dataclass
class ContactOutcome:
    """What became of a record. `notes`: things the reader of the log should know, in words."""

    result: str
    contact: Contact | None = None
    changes: list[facts.Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def apply(records: list[ContactRecord]) -> list[ContactOutcome]:
    """Write the records; one outcome each, in order. IntegrityError when another worker made the same contact just now:
    roll back and apply again, then it is found.
    """
    with transaction.atomic():
        people = People.holding(records)
        outcomes = [_apply_one(people, record) for record in records]
        people.save()
        tagged = add_tags([(o.contact, r.tags) for o, r in zip(outcomes, records, strict=True) if o.contact])
        record_activities(
            activity
            for record, outcome in zip(records, outcomes, strict=True)
            for activity in _activities(record, outcome, _newly(record, outcome, tagged))
        )
    return outcomes


def _apply_one(people: People, record: ContactRecord) -> ContactOutcome:
    contact = people.find(record)
    created = contact is None
    if contact is None:
        if record.email is None:
            return ContactOutcome(SKIPPED)
        contact = people.new(record)
    people.link(contact, record)
    outcome = ContactOutcome(UNCHANGED, contact)
    if record.email:
        _take_email(people, contact, record, record.email, outcome, created=created)
    for fact in record.facts:
        _offer(people, contact, fact, outcome)
    if record.deleted_at and not contact.source_deleted_at:
        contact.source_deleted_at = record.deleted_at
        outcome.notes.append("The customer was deleted at Stripe. The contact stays.")
        people.touch(contact)
    if created or outcome.changes:
        people.note_change(contact)
    outcome.result = CREATED if created else UPDATED if outcome.changes else UNCHANGED
    return outcome


def _take_email(
    people: People, contact: Contact, record: ContactRecord, fact: facts.Fact, outcome: ContactOutcome, *, created: bool
) -> None:
    if not (record.owns_email or created or not contact.email_key):
        return
    owner = people.owner(email_key(fact.value), is_test=record.is_test)
    if owner is not None and owner is not contact:
        people.keep_apart(record, fact.value)
        outcome.notes.append(
            f"{fact.value} belongs to another contact ({owner}), so it was kept beside this customer only."
        )
        return
    if _offer(people, contact, fact, outcome):
        people.readdress(contact)


def _offer(people: People, contact: Contact, fact: facts.Fact, outcome: ContactOutcome) -> bool:
    """Whether a reader sees a difference. A contact of whom nothing new is told is not written."""
    if not facts.is_news(contact, fact):
        return False
    people.touch(contact)
    change = facts.offer(contact, fact)
    if change:
        outcome.changes.append(change)
    return change is not None


def _activities(record: ContactRecord, outcome: ContactOutcome, tags: list[str]) -> Iterator[NewActivity]:
    """What the timeline is told of a record. `tags`: those it added."""
    if outcome.contact is None or not (outcome.changes or tags or record.event_type or outcome.result == CREATED):
        return
    told = NewActivity(
        contact_id=outcome.contact.pk,
        kind=Kind.SOURCE_EVENT,
        occurred_at=record.occurred_at,
        summary=record.summary or record.event_type,
        origin=record.origin,
        dedupe=f"{record.key}:event",
        is_test=record.is_test,
        data={"event_type": record.event_type, "log": record.log, **record.data},
        silent=record.silent,
    )
    changes = [change.as_json() for change in outcome.changes]
    if outcome.result == CREATED:
        yield told._replace(
            kind=Kind.CONTACT_CREATED,
            summary="Contact created",
            changes=changes,
            dedupe=f"{record.key}:created",
        )
    elif changes:
        yield told._replace(
            kind=Kind.CONTACT_UPDATED,
            summary="Contact updated",
            changes=changes,
            dedupe=f"{record.key}:updated",
        )
    if record.event_type:
        yield told
    for tag in tags:
        yield told._replace(
            kind=Kind.TAG_ADDED,
            summary=f"Tag added: {tag}",
            data={**told.data, "tag": tag},
            dedupe=f"{record.key}:tag:{tag}",
        )


def _newly(record: ContactRecord, outcome: ContactOutcome, tagged: set[tuple[int, str]]) -> list[str]:
    """Tags this record added; a later record of the batch with the same tag added nothing."""
    pairs = {(outcome.contact.pk, tag): tag for tag in record.tags} if outcome.contact else {}
    mine = [tag for pair, tag in pairs.items() if pair in tagged]
    tagged.difference_update(pairs)
    return mine
