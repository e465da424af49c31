"""Two contacts that are one person: everything of the one moves to the other, and back within a day.

The contact that is merged away stays as a hidden row that points at the one that was kept. It keeps an address, so the
database holds that no third contact is made for it, and contacts.matching finds the kept one behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import connection, models, transaction
from django.http import HttpRequest
from django.utils import timezone

from common.origin import Origin
from contacts import facts
from contacts.activities import NewActivity, record_activities
from contacts.email import email_key
from contacts.models import Activity, Contact, ContactMerge, ContactTag, Identity, Kind, ListMembership
from contacts.models.contact import STANDARD_FIELDS
from contacts.models.merge import UNDO
from users import audit
from users.models import User

# move(from contact, to contact, only these primary keys or None for all) -> primary keys of the rows that moved.
Move = Callable[[int, int, "list[int] | None"], list[int]]
# Any number nobody else locks by.
_LOCK = 7_310_529
_moves: dict[str, Move] = {}


class CannotMerge(Exception):
    """Why not, in words for the person who asked."""


def register(name: str, move: Move) -> None:
    """Have rows of another app follow their contact. For `AppConfig.ready()`; the same name again replaces it."""
    _moves[name] = move


def rows_of(model: type[models.Model]) -> Move:
    """Moves the rows of a model whose foreign key is called `contact`."""

    def move(from_id: int, to_id: int, only: list[int] | None) -> list[int]:
        rows = model._default_manager.filter(contact_id=from_id)
        if only is not None:
            rows = rows.filter(pk__in=only)
        # In order of id, so that two workers do not lock crosswise.
        moving = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        model._default_manager.filter(pk__in=moving).update(contact_id=to_id)
        return moving

    return move


def hold_merges() -> None:
    """Until the caller's transaction ends, no merge and no undo comes between. Waits for one under way."""
    _lock("pg_advisory_xact_lock_shared")


@transaction.atomic
def merge(kept_id: int, gone_id: int, by: User, *, request: HttpRequest | None = None) -> ContactMerge:
    """Make two contacts one. CannotMerge when they are the same, of different modes, or one is merged away already."""
    kept, gone = _locked(kept_id, gone_id)
    before = _state(kept)
    result = ContactMerge(kept=kept, gone=gone, by=by)
    result.moved = {
        "doubled": {"tags": _drop_doubles(ContactTag, "tag", "added_at", kept, gone),
                    "lists": _drop_doubles(ListMembership, "list", "joined_at", kept, gone)},
        "rows": {name: move(gone.pk, kept.pk, None) for name, move in _all_moves().items()},
        "earlier": list(gone.absorbed.order_by("pk").values_list("pk", flat=True)),
    }  # fmt: skip
    gone.absorbed.update(merged_into=kept)
    changes = facts.unite(kept, gone)
    _write(kept, gone, merged_into=kept, merged_at=result.merged_at, gone_address=gone.email)
    result.moved |= {"before": before, "after": _state(kept)}
    result.save()
    told = {"merge": result.pk, "gone": gone.pk, "gone_name": str(gone)}
    _tell(kept, Kind.CONTACT_MERGED, f"Merged with {gone}", by, told, changes)
    audit.record(request or by, "merged contacts", kept, merged=f"{gone} ({gone.pk})")
    return result


@transaction.atomic
def undo(merge_id: int, by: User, *, request: HttpRequest | None = None) -> ContactMerge:
    """Part the two again, except for what changed since, which stays. CannotMerge when it is too late for that."""
    _lock("pg_advisory_xact_lock")
    done = ContactMerge.objects.select_for_update().get(pk=merge_id)
    if done.undone_at:
        raise CannotMerge("This merge was undone already.")
    if timezone.now() - done.merged_at >= UNDO:
        raise CannotMerge("A merge can be undone for a day. This one is older.")
    pair = {row.pk: row for row in _rows(done.kept_id, done.gone_id)}
    kept, gone = pair[done.kept_id], pair[done.gone_id]
    if kept.merged_into_id or gone.merged_into_id != kept.pk:
        raise CannotMerge("The contact was merged again since. Undo that merge first.")
    moved = done.moved
    for name, keys in moved["rows"].items():
        if name in _all_moves():
            _all_moves()[name](kept.pk, gone.pk, keys)
    _restore_doubles(ContactTag, "tag", "added_at", gone, moved["doubled"]["tags"])
    _restore_doubles(ListMembership, "list", "joined_at", gone, moved["doubled"]["lists"])
    Contact.objects.filter(pk__in=moved["earlier"], merged_into=kept).update(merged_into=gone)
    _hear_news(gone, kept)
    changes = _take_back(kept, moved["before"], moved["after"])
    _write(kept, gone, merged_into=None, merged_at=None, gone_address=gone.email)
    done.undone_at = timezone.now()
    done.save(update_fields=["undone_at"])
    _tell(kept, Kind.CONTACT_UPDATED, f"Merge with {gone} undone", by, {"undone": done.pk, "gone": gone.pk}, changes)
    audit.record(request or by, "undid merge", kept, parted=f"{gone} ({gone.pk})")
    return done


def preview(kept: Contact, gone: Contact) -> Contact:
    """The contact as it would be after the merge; nothing is saved."""
    merged = deepcopy(kept)
    facts.unite(merged, gone)
    return merged


def refusal(kept: Contact, gone: Contact) -> str:
    """Why these two cannot be merged, or ""."""
    if kept.pk == gone.pk:
        return "Choose another contact: this is the same one."
    if kept.is_test != gone.is_test:
        return "A test contact and a live one cannot be merged."
    if kept.merged_into_id or gone.merged_into_id:
        return "One of the two was merged with another contact already."
    return ""


def _locked(kept_id: int, gone_id: int) -> tuple[Contact, Contact]:
    _lock("pg_advisory_xact_lock")
    pair = {row.pk: row for row in _rows(kept_id, gone_id)}
    if kept_id not in pair or gone_id not in pair:
        raise CannotMerge("This contact does not exist any more.")
    if reason := refusal(pair[kept_id], pair[gone_id]):
        raise CannotMerge(reason)
    return pair[kept_id], pair[gone_id]


def _rows(*ids: int) -> list[Contact]:
    return list(Contact.objects.filter(pk__in=ids).order_by("pk").select_for_update())


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_LOCK])


def _all_moves() -> dict[str, Move]:
    own = {"identities": Identity, "activities": Activity, "tags": ContactTag, "lists": ListMembership}
    return {name: rows_of(model) for name, model in own.items()} | _moves


def _drop_doubles(model: type[models.Model], to: str, since: str, kept: Contact, gone: Contact) -> list[list[Any]]:
    """Take from `gone` the tags or lists that `kept` has too; [id of the tag or list, since when] of each."""
    there = model._default_manager.filter(contact=kept).values(f"{to}_id")
    doubled = model._default_manager.filter(contact=gone, **{f"{to}__in": there})
    dropped = [[pk, moment.isoformat()] for pk, moment in doubled.values_list(f"{to}_id", since)]
    doubled.delete()
    return dropped


def _restore_doubles(model: type[Any], to: str, since: str, gone: Contact, dropped: list[list[Any]]) -> None:
    target = model._meta.get_field(to).related_model
    existing = set(target.objects.filter(pk__in=[pk for pk, _ in dropped]).values_list("pk", flat=True))
    for pk, moment in dropped:
        if pk in existing:
            row, _ = model.objects.get_or_create(contact=gone, **{f"{to}_id": pk})
            model.objects.filter(pk=row.pk).update(**{since: datetime.fromisoformat(moment)})


def _state(contact: Contact) -> dict[str, Any]:
    values = {name: getattr(contact, name) for name in STANDARD_FIELDS}
    values |= {f"field:{key}": value for key, value in contact.custom.items()}
    return deepcopy({"facts": contact.facts, "values": values})


def _take_back(kept: Contact, before: dict[str, Any], after: dict[str, Any]) -> list[facts.Change]:
    """Undo what the merge brought to the fields; a fact or value that is not the merge's any more stays."""
    named = {*before["facts"], *after["facts"], *before["values"], *after["values"]}
    return [change for field in sorted(named) if (change := _take_back_field(kept, field, before, after))]


def _take_back_field(
    kept: Contact, field: str, before: dict[str, Any], after: dict[str, Any]
) -> facts.Change | None:  # fmt: skip
    now, then, merged = (states.get(field, {}) for states in (kept.facts, before["facts"], after["facts"]))
    old, merged_value = kept.value(field), after["values"].get(field)
    untouched = now == merged and old == merged_value
    candidates = {slot: one for slot, one in now.items() if one != merged.get(slot)}
    candidates |= {slot: one for slot, one in then.items() if now.get(slot) == merged.get(slot)}
    kept.facts.pop(field, None)
    if candidates:
        kept.facts[field] = candidates
    won = facts.winner(kept, field)
    new = before["values"].get(field) if untouched else won[1]["v"] if won else old
    if new == old:
        return None
    kept.set_value(field, new)
    return facts.Change(field, old, new)


def _hear_news(gone: Contact, kept: Contact) -> None:
    """What its own customers told while it was merged away. The address is left out: `kept` may own it by now."""
    mine = tuple(f":{identity.external_id}" for identity in gone.identities.all())
    for field, candidates in kept.facts.items():
        for slot, one in candidates.items():
            held = gone.facts.get(field, {}).get(slot)
            newer = held is None or (held["t"], held["id"]) < (one["t"], one["id"])
            if field != "email" and mine and slot.endswith(mine) and newer:
                gone.facts.setdefault(field, {})[slot] = dict(one)
                won = facts.winner(gone, field)
                gone.set_value(field, won[1]["v"] if won else None)


def _write(kept: Contact, gone: Contact, *, merged_into: Contact | None, merged_at: Any, gone_address: str) -> None:
    """Save both. Each has its own address; while merged, `gone` holds the one of the two that `kept` does not show."""
    previous = kept.email_key
    kept.email_key = _own_key(kept, gone)
    theirs = email_key(gone_address) if gone_address else None
    if theirs == kept.email_key:
        theirs = previous if merged_into else None
    if theirs and Contact.objects.filter(email_key=theirs, is_test=kept.is_test).exclude(pk__in=_both(kept, gone)):
        theirs = None
    gone.email_key = theirs if theirs != kept.email_key else None
    gone.merged_into, gone.merged_at = merged_into, merged_at
    # The address is unique: given up by both before each takes its own.
    Contact.objects.filter(pk__in=_both(kept, gone)).update(email_key=None)
    for contact in (kept, gone):
        contact.version += 1
        contact.save()


def _own_key(kept: Contact, gone: Contact) -> str | None:
    """The key of the address `kept` shows. One that went to a third contact meanwhile is not taken from it."""
    if not kept.email:
        return None
    key = email_key(kept.email)
    owner = Contact.objects.filter(email_key=key, is_test=kept.is_test).exclude(pk__in=_both(kept, gone)).first()
    if owner is None or owner.merged_into_id in _both(kept, gone):
        if owner:
            Contact.objects.filter(pk=owner.pk).update(email_key=None)
        return key
    return None


def _both(kept: Contact, gone: Contact) -> list[int]:
    return [kept.pk, gone.pk]


def _tell(
    kept: Contact, kind: Kind, summary: str, by: User, about: dict[str, Any], changes: list[facts.Change]
) -> None:
    activity = NewActivity(
        contact_id=kept.pk,
        kind=kind,
        occurred_at=timezone.now(),
        summary=summary,
        origin=Origin.USER,
        dedupe=f"user:{uuid4()}",
        is_test=kept.is_test,
        changes=[change.as_json() for change in changes],
        data={"user": by.pk, "by": str(by), **about},
    )
    record_activities([activity])
