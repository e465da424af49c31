"""This app's own cards on a contact's page."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject
from django.http import HttpRequest

from contacts import panels, provenance, timeline
from contacts.models import Activity, Contact, ContactList, Tag
from contacts.views.access import may_edit

ACTIVITY = panels.Panel("activity", "Activity", "contacts/_activity.html", lambda c, r: activity(c, r), order=900)


def register() -> None:
    panels.register(ACTIVITY)
    panels.register(panels.Panel("details", "Details", "contacts/_details.html", _details, order=10, column="side"))
    panels.register(
        panels.Panel("customers", "Stripe customers", "contacts/_customers.html", _customers, order=20, column="side")
    )
    panels.register(panels.Panel("lists", "Lists", "contacts/_lists.html", _lists, order=30, column="side"))


def with_small_parts(contacts: QuerySet[Contact]) -> QuerySet[Any]:
    """Contacts with `tags_told` and `lists_told` ([{pk, name}], by name) and `kinds_told`, of their activities, in the
    same query: each of them alone would be one more for every look at a contact.
    """
    mine = {"contacts": OuterRef("pk")}
    named = JSONObject(pk="pk", name="name")
    kinds = Activity.objects.filter(contact=OuterRef("pk")).order_by().values("kind").distinct()
    return contacts.annotate(
        tags_told=ArraySubquery(Tag.objects.filter(**mine).order_by("name").values_list(named)),
        lists_told=ArraySubquery(ContactList.objects.filter(**mine).order_by("name").values_list(named)),
        kinds_told=ArraySubquery(kinds),
    )


def activity(contact: Contact, request: HttpRequest) -> dict[str, Any]:
    """The timeline: `?kind=` names a group, `?before=` a cursor."""
    group = request.GET.get("kind", "")
    return {
        "contact": contact,
        "panel": ACTIVITY,
        "page": timeline.page(contact, group, request.GET.get("before", "")),
        "groups": timeline.groups_of(contact),
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


def _customers(contact: Contact, request: HttpRequest) -> dict[str, Any] | None:
    identities = list(contact.identities.order_by("source", "account", "created_at", "pk"))
    return {"identities": identities} if identities else None


def _lists(contact: Contact, request: HttpRequest) -> dict[str, Any]:
    told = getattr(contact, "lists_told", None)
    return {"lists": contact.lists.all() if told is None else told, "may_edit": may_edit(request)}
