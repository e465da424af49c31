"""What people do to contacts by hand: every change is told on the timeline with who made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from common.origin import Origin
from contacts import facts
from contacts.activities import NewActivity, record_activities
from contacts.email import email_key
from contacts.models import Contact, ContactList, Kind, ListMembership
from contacts.tagging import add_tags
from users.models import User


class ChangedMeanwhile(Exception):
    """Somebody saved the contact after it was opened. `contact` is how it is now."""

    def __init__(self, contact: Contact) -> None:
        super().__init__("The contact was changed meanwhile.")
        self.contact = contact


def owner_of(email: str, *, is_test: bool, besides: Contact | None = None) -> Contact | None:
    """The contact that has this address already. ValueError as `email_key`."""
    if not email:
        return None
    found = Contact.objects.filter(email_key=email_key(email), is_test=is_test).select_related("merged_into").first()
    owner = (found.merged_into or found) if found else None
    return None if owner == besides else owner


@transaction.atomic
def create(values: Mapping[str, Any], by: User) -> Contact:
    """A live contact with these values. IntegrityError when somebody else has the address."""
    contact = Contact()
    changes = _offer(contact, values, by)
    contact.save()
    _tell(contact, Kind.CONTACT_CREATED, "Contact created", by, changes=changes)
    return contact


@transaction.atomic
def save(contact_id: int, version: int, values: Mapping[str, Any], by: User) -> list[facts.Change]:
    """Write the values a person changed. ChangedMeanwhile when `version` is not the contact's any more;
    IntegrityError when somebody else has the address.
    """
    contact = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
    if contact.version != version:
        raise ChangedMeanwhile(contact)
    changes = _offer(contact, values, by)
    if changes:
        contact.version = F("version") + 1
        contact.save()
        _tell(contact, Kind.CONTACT_UPDATED, "Contact updated", by, changes=changes)
    return changes


def _offer(contact: Contact, values: Mapping[str, Any], by: User) -> list[facts.Change]:
    offered = [
        facts.offer(contact, facts.Fact(name, value, _now_for(contact, name), facts.USER_SLOT, str(by.pk)))
        for name, value in values.items()
    ]
    contact.email_key = email_key(contact.email) if contact.email else None
    if contact.pk:
        # The address of a contact merged into this one may become this one's own.
        contact.absorbed.filter(email_key=contact.email_key).update(email_key=None)
    return [change for change in offered if change]


def _now_for(contact: Contact, name: str) -> datetime:
    """Now, or just after the fact that shows: a person's edit counts even where a source's clock runs ahead of ours."""
    shown = facts.winner(contact, name)
    now = timezone.now()
    return max(now, datetime.fromtimestamp(shown[1]["t"] + 0.001, UTC)) if shown else now


@transaction.atomic
def add_tag(contact: Contact, name: str, by: User) -> bool:
    """Whether the tag is new on the contact."""
    added = add_tags([(contact, [name])])
    if added:
        _tell(contact, Kind.TAG_ADDED, f"Tag added: {name}", by, about={"tag": name})
    return bool(added)


@transaction.atomic
def remove_tag(contact: Contact, name: str, by: User) -> bool:
    """Whether the contact had the tag."""
    removed, _ = contact.tags.through.objects.filter(contact=contact, tag__name=name).delete()
    if removed:
        _tell(contact, Kind.TAG_REMOVED, f"Tag removed: {name}", by, about={"tag": name})
    return bool(removed)


@transaction.atomic
def join_list(contact: Contact, joined: ContactList, by: User) -> bool:
    """Whether the contact was not on the list before."""
    _, is_new = ListMembership.objects.get_or_create(contact=contact, list=joined)
    if is_new:
        _tell(
            contact, Kind.LIST_JOINED, f"Joined list: {joined}", by, about={"list": joined.name, "list_id": joined.pk}
        )
    return is_new


@transaction.atomic
def leave_list(contact: Contact, left: ContactList, by: User) -> bool:
    """Whether the contact was on the list."""
    removed, _ = ListMembership.objects.filter(contact=contact, list=left).delete()
    if removed:
        _tell(contact, Kind.LIST_LEFT, f"Left list: {left}", by, about={"list": left.name, "list_id": left.pk})
    return bool(removed)


def _tell(
    contact: Contact,
    kind: Kind,
    summary: str,
    by: User,
    *,
    changes: list[facts.Change] | None = None,
    about: dict[str, Any] | None = None,
) -> None:
    activity = NewActivity(
        contact_id=contact.pk,
        kind=kind,
        occurred_at=timezone.now(),
        summary=summary,
        origin=Origin.USER,
        # Each deed of a person is one of its own, even when it repeats an older one.
        dedupe=f"user:{uuid4()}",
        is_test=contact.is_test,
        changes=[change.as_json() for change in changes or []],
        data={"user": by.pk, "by": str(by), **(about or {})},
    )
    record_activities([activity])
