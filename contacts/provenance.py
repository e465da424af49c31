"""Why a contact's field shows what it shows: the fact that won, and those that did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.fields import Field
from contacts import facts
from contacts.fields import fields_of
from contacts.models import Contact
from contacts.showing import show
from contacts.timeline import log_url
from users.models import User


@dataclass(frozen=True)
class Reason:
    """One fact: who says so (`by`, with the object's `id`), since when, what, and the log entry that brought it."""

    by: str
    id: str
    as_of: datetime
    value: Any
    log_url: str


@dataclass(frozen=True)
class Explained:
    """A field with its value as shown. `reason` is None for a value nobody wrote (an empty one)."""

    field: Field
    value: Any
    reason: Reason | None
    others: list[Reason]

    @property
    def is_empty(self) -> bool:
        return self.value is None or self.value == ""

    @property
    def element_id(self) -> str:
        return f"why-{self.field.key.replace(':', '-')}"


def explain(contact: Contact) -> list[Explained]:
    """Every field of the contact, in the order of the catalogue."""
    people = _people(contact)
    return [_explain(contact, field, people) for field in fields_of(contact)]


def _explain(contact: Contact, field: Field, people: dict[str, str]) -> Explained:
    candidates = contact.facts.get(field.key, {})
    won = facts.winner(contact, field.key)
    reasons = {slot: _reason(slot, candidate, field, people) for slot, candidate in candidates.items()}
    others = [reason for slot, reason in reasons.items() if won is None or slot != won[0]]
    others.sort(key=lambda reason: reason.as_of, reverse=True)
    return Explained(field, show(contact.value(field.key), field), reasons[won[0]] if won else None, others)


def _reason(slot: str, candidate: dict[str, Any], field: Field, people: dict[str, str]) -> Reason:
    as_of = datetime.fromtimestamp(candidate["t"], UTC)
    value = show(candidate["v"], field)
    if slot == facts.USER_SLOT:
        return Reason(people.get(candidate["id"], "a user"), "", as_of, value, "")
    source, _, kind = slot.partition(":")
    kind, _, object_id = kind.partition(":")
    by = f"{source.capitalize()} {kind.replace('_', ' ')}".strip()
    return Reason(by, candidate["id"] or object_id, as_of, value, log_url(candidate.get("log")))


def _people(contact: Contact) -> dict[str, str]:
    """User id as text -> name, of those who wrote a field by hand."""
    ids = {candidates[facts.USER_SLOT]["id"] for candidates in contact.facts.values() if facts.USER_SLOT in candidates}
    known = User.objects.filter(pk__in=[int(one) for one in ids if one.isdecimal()]) if ids else []
    return {str(user.pk): str(user) for user in known}
