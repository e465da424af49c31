"""The sync log in plain words: what a row did, to whom, and what became of the event behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.utils import timezone

from common.due import BACKOFF, State
from common.fields import Field
from connections.models import InboundEvent, Resource, SyncLogEntry
from connections.sources.stripe.events import EVENTS
from contacts.fields import targets

Result = SyncLogEntry.Result
# icon, tint of the mark
_MARKS = {
    Result.CREATED: ("circle-check", "ok"),
    Result.UPDATED: ("circle-check", "ok"),
    Result.UNCHANGED: ("circle-check", "none"),
    Result.SKIPPED: ("circle-minus", "warn"),
    Result.IGNORED: ("circle-minus", "none"),
    Result.STALE: ("circle-minus", "none"),
    Result.FAILED: ("circle-x", "bad"),
    Result.DEAD: ("circle-x", "bad"),
}
TRIES = len(BACKOFF) + 1


@dataclass
class LogLine:
    """One row of the log. `labels`: contact fields by key, for the names of what changed."""

    entry: SyncLogEntry
    labels: dict[str, Field]

    @property
    def title(self) -> str:
        """The event's type; for history the kind of record; a body nobody can read has neither."""
        if self.entry.event_type:
            return self.entry.event_type
        if self.entry.event_id:
            return "Unreadable delivery"
        return f"{_kind(self.entry.resource_kind)} from {'a check' if self.by_check else 'history'}"

    @property
    def by_check(self) -> bool:
        """Found different from Stripe's list, not told by an event."""
        return self.entry.run is not None and self.entry.run.is_check

    @property
    def retries(self) -> bool:
        """Failed, and tried again by itself."""
        event = self.entry.inbound
        return self.entry.result == Result.FAILED and event is not None and event.state in (State.DUE, State.RUNNING)

    @property
    def icon(self) -> str:
        return "clock" if self.retries else _MARKS[Result(self.entry.result)][0]

    @property
    def tint(self) -> str:
        return "warn" if self.retries else _MARKS[Result(self.entry.result)][1]

    @property
    def word(self) -> str:
        return "Waiting to retry" if self.retries else self.entry.get_result_display()

    @property
    def who(self) -> str:
        return str(self.entry.contact) if self.entry.contact else self.entry.contact_email or self.entry.object_id

    @property
    def what(self) -> str:
        """What changed, or why nothing did."""
        if self.retries and self.entry.inbound:
            return f"attempt {min(self.entry.inbound.attempts + 1, TRIES)} of {TRIES}"
        if self.entry.reason:
            return self.entry.reason
        if self.entry.result == Result.UPDATED:
            return ", ".join(dict.fromkeys(self.label(change["field"]) for change in self.entry.changes))
        if self.by_check and self.entry.result == Result.UNCHANGED:
            return "differed from Stripe and was put right; the contact stays as it was"
        return {Result.CREATED: "new contact", Result.UNCHANGED: "nothing new"}.get(Result(self.entry.result), "")

    @property
    def can_replay(self) -> bool:
        """Its event is still held with its body. (`has_body` is annotated: bodies are not read for a list.)"""
        return bool(getattr(self.entry, "has_body", False)) and self.entry.connection.is_connected

    @property
    def wants_replay(self) -> bool:
        return self.can_replay and self.entry.result == Result.DEAD

    def label(self, key: str) -> str:
        return self.labels[key].label if key in self.labels else key.removeprefix("field:")


@dataclass(frozen=True)
class WaitingLine:
    """An event of the inbox that is not yet in the log, or will be tried again."""

    event: InboundEvent

    @property
    def why(self) -> str:
        event = self.event
        match event.state:
            case State.RUNNING:
                return "Being worked on now"
            case State.WAITING:
                return f"Waits for {', '.join(_object(key) for key in event.waits_for)} from Stripe"
            case State.HELD:
                return event.last_error or "Held until the account is connected again"
        if event.attempts:
            return f"Attempt {event.attempts + 1} of {TRIES}. {event.last_error}"
        return "In the queue"

    @property
    def has_next(self) -> bool:
        """Is it tried again by itself, later than now?"""
        return self.event.state == State.DUE and self.event.next_attempt_at > timezone.now()


def lines(entries: list[SyncLogEntry]) -> list[LogLine]:
    """The rows with the names of fields. One query, and only where a field was changed."""
    labels = targets() if any(entry.changes for entry in entries) else {}
    return [LogLine(entry, labels) for entry in entries]


def readable(entries: QuerySet[SyncLogEntry]) -> QuerySet[SyncLogEntry]:
    """With everything a line shows, and without the bodies. One query."""
    found = entries.select_related("contact", "connection", "inbound", "run")
    return found.defer("inbound__body", "contact__facts", "contact__custom").annotate(
        has_body=ExpressionWrapper(Q(inbound__body__isnull=False), output_field=BooleanField())
    )


def changes(entry: SyncLogEntry, labels: dict[str, Field]) -> list[dict[str, Any]]:
    """Field, old, new, and the row of the mapping that wrote it."""
    return [
        {
            "field": labels[change["field"]].label if change["field"] in labels else change["field"],
            "old": change.get("old"),
            "new": change.get("new"),
            "row": change.get("row"),
        }
        for change in entry.changes
    ]


def event_label(type_: str) -> str:
    known = EVENTS.get(type_)
    return known.label if known else ""


def _kind(kind: str) -> str:
    return Resource.Kind(kind).label if kind in Resource.Kind.values else "Record"


def _object(key: str) -> str:
    kind, _, external_id = key.partition(":")
    return f"{kind.replace('_', ' ')} {external_id}"
