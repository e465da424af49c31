"""This app's own cards on a contact's page."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from common.along import along, read
from contacts import panels, provenance, timeline
from contacts.models import Activity, Contact, ContactList, ContactMerge, CustomField, Identity, Tag
from contacts.views.access import may_edit


def _fields() -> dict[str, Combinable]:
    return {"fields_told": along(CustomField.objects.all(), "key", "label", "type", "choices")}


def _happened() -> dict[str, Combinable]:
    kinds = Activity.objects.filter(contact=OuterRef("pk")).order_by().values("kind").distinct()
    merges = ContactMerge.objects.undoable().filter(kept=OuterRef("pk")).order_by("-merged_at", "-pk")
    gone = ("gone__id", "gone__email", "gone__first_name", "gone__last_name")
    return _fields() | {"kinds_told": ArraySubquery(kinds), "merges_told": along(merges, "id", "merged_at", *gone)}


def _identities() -> dict[str, Combinable]:
    mine = Identity.objects.filter(contact=OuterRef("pk")).order_by("source", "account", "created_at", "pk")
    shown = ("source", "account", "is_test", "external_id", "email", "deleted_at")
    return {"identities_told": along(mine, *shown)}


def _joined() -> dict[str, Combinable]:
    mine = ContactList.objects.filter(contacts=OuterRef("pk")).order_by("name")
    return {"lists_told": along(mine, "id", "name")}


ACTIVITY = panels.Panel(
    "activity", "Activity", "contacts/_activity.html", lambda c, r: activity(c, r), order=900, along=_happened
)


def register() -> None:
    panels.register(ACTIVITY)
    panels.register(
        panels.Panel("details", "Details", "contacts/_details.html", _details, order=10, column="side", along=_fields)
    )
    panels.register(
        panels.Panel(
            "customers",
            "Stripe customers",
            "contacts/_customers.html",
            _customers,
            order=20,
            column="side",
            along=_identities,
        )
    )
    panels.register(
        panels.Panel("lists", "Lists", "contacts/_lists.html", _lists, order=30, column="side", along=_joined)
    )


def with_parts(contacts: QuerySet[Contact]) -> QuerySet[Any]:
    """Contacts with what all cards of their pages have along, and `tags_told` for the head."""
    mine = Tag.objects.filter(contacts=OuterRef("pk")).order_by("name")
    return panels.with_parts(contacts.annotate(tags_told=along(mine, "id", "name")))


def with_timeline(contacts: QuerySet[Contact]) -> QuerySet[Any]:
    """Contacts of which the timeline alone is shown."""
    return contacts.annotate(**ACTIVITY.along())


def merges(contact: Any) -> list[ContactMerge]:
    """The merges into this contact that can still be undone, newest first, with who is gone."""
    return read(ContactMerge, contact.merges_told)


def activity(contact: Any, request: HttpRequest) -> dict[str, Any]:
    """The timeline: `?kind=` names a group, `?before=` a cursor."""
    group = request.GET.get("kind", "")
    return {
        "contact": contact,
        "panel": ACTIVITY,
        "page": timeline.page(contact, group, request.GET.get("before", "")),
        "groups": timeline.groups_of(contact.kinds_told),
        "group": group if group in timeline.GROUPS else "",
        "may_edit": may_edit(request),
    }


def _details(contact: Contact, request: HttpRequest) -> dict[str, Any]:
    explained = provenance.explain(contact)
    return {
        "filled": [one for one in explained if not one.is_empty],
        "empty": [one for one in explained if one.is_empty],
        "may_edit": may_edit(request),
    }


def _customers(contact: Any, request: HttpRequest) -> dict[str, Any] | None:
    identities = read(Identity, contact.identities_told)
    return {"identities": identities} if identities else None


def _lists(contact: Any, request: HttpRequest) -> dict[str, Any]:
    return {"lists": read(ContactList, contact.lists_told), "may_edit": may_edit(request)}
