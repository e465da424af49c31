"""Contacts and their activities as the rows of an export, in the shape that docs/contract fixes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import Prefetch, QuerySet

from common.streaming import by_key
from contacts.models import Activity, Contact, ContactList, CustomField, Identity, Tag

CONTACT_COLUMNS = ("id", "email", "first_name", "last_name", "phone", "tags", "lists", "fields", "sources")
ACTIVITY_COLUMNS = ("time", "contact_email", "kind", "summary", "data")


def contact_rows(contacts: QuerySet[Contact] | None = None) -> Iterator[dict[str, Any]]:
    """One dict a contact, in order of id; times ISO 8601 UTC, what is missing is None."""
    chosen = Contact.objects.present() if contacts is None else contacts
    keys = list(CustomField.objects.values_list("key", flat=True))
    held = chosen.prefetch_related(
        Prefetch("tags", Tag.objects.only("name")),
        Prefetch("lists", ContactList.objects.only("name")),
        Prefetch("identities", Identity.objects.order_by("source", "account", "external_id")),
    )
    for contact in by_key(held):
        yield _contact_row(contact, keys)


def activity_rows(activities: QuerySet[Activity] | None = None) -> Iterator[dict[str, Any]]:
    """One dict an activity, in the order they were recorded."""
    chosen = Activity.objects.all() if activities is None else activities
    for activity in by_key(chosen.select_related("contact")):
        yield {
            "time": utc(activity.occurred_at),
            "contact_email": (activity.contact.email or None) if activity.contact else None,
            "kind": activity.kind,
            "summary": activity.summary,
            "data": activity.data,
        }


def contact_columns() -> list[str]:
    """The columns of `flat_contact`: each custom field has its own."""
    fields = [custom.target for custom in CustomField.objects.all()]
    names: list[str] = []
    for column in (*CONTACT_COLUMNS, "created_at", "updated_at"):
        names += fields if column == "fields" else [column]
    return names


def flat_contact(row: dict[str, Any]) -> dict[str, Any]:
    """A contact's row for a spreadsheet."""
    flat = {key: value for key, value in row.items() if key != "fields"}
    flat |= {f"field:{key}": value for key, value in row["fields"].items()}
    flat["sources"] = [" ".join((one["source"], one["account"], one["customer_id"])) for one in row["sources"]]
    return flat


def utc(moment: datetime) -> str:
    """ISO 8601 with Z, to the second unless there is more to tell."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _contact_row(contact: Contact, keys: list[str]) -> dict[str, Any]:
    return {
        "id": contact.pk,
        "email": contact.email or None,
        "first_name": contact.first_name or None,
        "last_name": contact.last_name or None,
        "phone": contact.phone or None,
        "tags": sorted(tag.name for tag in contact.tags.all()),
        "lists": sorted(one.name for one in contact.lists.all()),
        "fields": {key: contact.custom.get(key) for key in keys},
        "sources": [
            {"source": identity.source, "account": identity.account, "customer_id": identity.external_id}
            for identity in contact.identities.all()
        ],
        "created_at": utc(contact.created_at),
        "updated_at": utc(contact.updated_at),
    }
