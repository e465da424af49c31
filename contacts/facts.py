"""Which of several facts a contact field shows: the newest one that says something.

`Contact.facts[field]` holds one candidate a slot: {slot: {"t": epoch seconds, "id": object id, "v": value,
"log": SyncLogEntry id or None}}. A slot is a changing object ("stripe:customer:cus_1"), a kind of unchanging ones
("stripe:charge"), or "user". The winner is the greatest (t, slot, id), so facts may arrive in any order and any number
of times and end in the same value. Of a changing object only its newest state may be told, which the guard of
RemoteObject sees to. When a changing object loses a value, the next best fact shows again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from contacts.models import Contact
from contacts.models.contact import STANDARD_FIELDS

USER_SLOT = "user"
_COLUMN_SIZES = {"first_name": 255, "last_name": 255, "phone": 100, "email": 320}


class Fact(NamedTuple):
    """A value for one contact field, and the object that says so. `log`: the SyncLogEntry that brought it."""

    field: str
    value: Any
    as_of: datetime
    slot: str
    object_id: str = ""
    log: int | None = None
    row: int | None = None
    if_empty: bool = False


class Change(NamedTuple):
    """`row`: the mapping row that wrote it, from 1; None for a person's edit."""

    field: str
    old: Any
    new: Any
    row: int | None = None

    def as_json(self) -> dict[str, Any]:
        found = {"field": self.field, "old": self.old, "new": self.new}
        return found if self.row is None else found | {"row": self.row}


def offer(contact: Contact, fact: Fact) -> Change | None:
    """Let the contact's field consider a fact. Changes the object, saves nothing; the visible change, if any."""
    old = contact.value(fact.field)
    if fact.if_empty and not _empty(old):
        return None
    candidates = contact.facts.setdefault(fact.field, {})
    held = candidates.get(fact.slot)
    if _empty(fact.value) and fact.slot != USER_SLOT:
        _withdraw(candidates, fact)
    elif held is None or (held["t"], held["id"]) <= (fact.as_of.timestamp(), fact.object_id):
        candidates[fact.slot] = {
            "t": fact.as_of.timestamp(),
            "id": fact.object_id,
            "v": _fitting(fact.field, fact.value),
            "log": fact.log,
        }
    new = _winning_value(candidates)
    if not candidates:
        del contact.facts[fact.field]
        if held is None:
            return None
    if _same(old, new):
        return None
    contact.set_value(fact.field, new)
    return Change(fact.field, old, new, fact.row)


def is_news(contact: Contact, fact: Fact) -> bool:
    """Would `offer` change anything of the contact, be it only what stands behind a value? Most facts of a customer are
    told again with each of its payments; the log row that told them first stays.
    """
    if fact.if_empty and not _empty(contact.value(fact.field)):
        return False
    held = contact.facts.get(fact.field, {}).get(fact.slot)
    if held is None:
        return not _empty(fact.value) or fact.slot == USER_SLOT
    told = fact.as_of.timestamp(), fact.object_id
    if _empty(fact.value) and fact.slot != USER_SLOT:
        return _withdraws(held, fact)
    known = held["t"], held["id"]
    return known < told or (known == told and not _same(held["v"], _fitting(fact.field, fact.value)))


def unite(contact: Contact, other: Contact) -> list[Change]:
    """Let the contact's fields consider all facts of another one: of the same slot the greater (t, id) wins.

    Changes the first object only, saves nothing. A value that no fact stands behind fills only an empty field.
    """
    for field, theirs in other.facts.items():
        mine = contact.facts.setdefault(field, {})
        for slot, candidate in theirs.items():
            if slot not in mine or (mine[slot]["t"], mine[slot]["id"]) < (candidate["t"], candidate["id"]):
                mine[slot] = dict(candidate)
    fields = [*STANDARD_FIELDS, *sorted(_custom_fields(contact) | _custom_fields(other))]
    return [change for field in fields if (change := _settle(contact, other, field))]


def _custom_fields(contact: Contact) -> set[str]:
    named = {f"field:{key}" for key in contact.custom}
    return named | {field for field in contact.facts if field not in STANDARD_FIELDS}


def _settle(contact: Contact, other: Contact, field: str) -> Change | None:
    old = contact.value(field)
    won = winner(contact, field)
    new = won[1]["v"] if won else other.value(field) if _empty(old) else old
    if _same(old, new):
        return None
    contact.set_value(field, new)
    return Change(field, old, new)


def winner(contact: Contact, field: str) -> tuple[str, dict[str, Any]] | None:
    """(slot, candidate) of the fact a field shows; None if it was never written."""
    candidates = contact.facts.get(field)
    return max(candidates.items(), key=_order) if candidates else None


def _withdraw(candidates: dict[str, Any], fact: Fact) -> None:
    held = candidates.get(fact.slot)
    if held and _withdraws(held, fact):
        del candidates[fact.slot]


def _withdraws(held: dict[str, Any], fact: Fact) -> bool:
    # An unchanging object without a value is no news about another one of its kind.
    return bool(held["id"] == fact.object_id and held["t"] <= fact.as_of.timestamp())


def _winning_value(candidates: dict[str, Any]) -> Any:
    return max(candidates.items(), key=_order)[1]["v"] if candidates else None


def _order(item: tuple[str, dict[str, Any]]) -> tuple[float, str, str]:
    slot, candidate = item
    return candidate["t"], slot, candidate["id"]


def _empty(value: Any) -> bool:
    return value is None or value in ("", [])


def _same(old: Any, new: Any) -> bool:
    return (_empty(old) and _empty(new)) or (type(old) is type(new) and old == new)


def _fitting(field: str, value: Any) -> Any:
    size = _COLUMN_SIZES.get(field)
    return value[:size] if size and isinstance(value, str) else value
