"""What automations do to contacts. Told on the timeline with the automation's name, and with how many automations
started one another before it, so that a circle of them comes to an end.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from automations.models import Run
from common.origin import Origin
from contacts import facts
from contacts.activities import NewActivity, record_activities
from contacts.email import email_key
from contacts.models import Contact, ContactList, ContactTag, Kind, ListMembership, Tag
from contacts.tagging import tags_named


def add_tag(run: Run, name: str, key: str) -> bool:
    """Whether the tag is new on the contact."""
    added = _tagged(run.contact_id, name)
    if added:
        _tell(run, Kind.TAG_ADDED, f"Tag added: {name}", key, about={"tag": name})
    return added


def _tagged(contact_id: int, name: str) -> bool:
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(_TAG, [name, contact_id])
            if (row := cursor.fetchone()) and row[0]:
                return bool(row[1])
            tags_named({name})
    raise Tag.DoesNotExist(name)


# (is there such a tag, is it new on the contact)
_TAG = """
    with tag as (select id from contacts_tag where name = %s),
    added as (
        insert into contacts_contacttag (contact_id, tag_id, added_at)
        select %s, id, statement_timestamp() from tag on conflict (contact_id, tag_id) do nothing returning 1)
    select exists (select from tag), exists (select from added)
"""


def remove_tag(run: Run, name: str, key: str) -> bool:
    """Whether the contact had the tag."""
    removed, _ = ContactTag.objects.filter(contact=run.contact_id, tag__name=name).delete()
    if removed:
        _tell(run, Kind.TAG_REMOVED, f"Tag removed: {name}", key, about={"tag": name})
    return bool(removed)


def join_list(run: Run, joined: ContactList, key: str) -> bool:
    """Whether the contact was not on the list before."""
    _, is_new = ListMembership.objects.get_or_create(contact_id=run.contact_id, list=joined)
    if is_new:
        _tell(run, Kind.LIST_JOINED, f"Joined list: {joined}", key, about={"list": joined.name, "list_id": joined.pk})
    return is_new


def leave_list(run: Run, left: ContactList, key: str) -> bool:
    """Whether the contact was on the list."""
    removed, _ = ListMembership.objects.filter(contact=run.contact_id, list=left).delete()
    if removed:
        _tell(run, Kind.LIST_LEFT, f"Left list: {left}", key, about={"list": left.name, "list_id": left.pk})
    return bool(removed)


def set_field(run: Run, field: str, value: Any, key: str) -> bool:
    """Whether the field shows something else now. Counts as an edit by hand: the newest of these wins."""
    contact = Contact.objects.select_for_update(no_key=True).get(pk=run.contact_id)
    change = facts.offer(contact, facts.Fact(field, value, _now_for(contact, field), facts.USER_SLOT, f"run:{run.pk}"))
    if change is None:
        return False
    contact.email_key = email_key(contact.email) if contact.email else None
    contact.version += 1
    contact.save()
    run.contact = contact
    _tell(run, Kind.CONTACT_UPDATED, "Contact updated", key, changes=[change])
    return True


def _now_for(contact: Contact, field: str) -> datetime:
    shown = facts.winner(contact, field)
    now = timezone.now()
    return max(now, datetime.fromtimestamp(shown[1]["t"] + 0.001, UTC)) if shown else now


def _tell(
    run: Run,
    kind: Kind,
    summary: str,
    key: str,
    *,
    changes: list[facts.Change] | None = None,
    about: dict[str, Any] | None = None,
) -> None:
    activity = NewActivity(
        contact_id=run.contact_id,
        kind=kind,
        occurred_at=timezone.now(),
        summary=summary,
        origin=Origin.AUTOMATION,
        dedupe=key,
        is_test=run.is_test,
        changes=[change.as_json() for change in changes or []],
        data={"automation": run.automation.name, "run": run.pk, "depth": run.depth + 1, **(about or {})},
    )
    record_activities([activity])
