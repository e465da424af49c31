"""A contact's activities as people read them: newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Model, Q, Value
from django.urls import NoReverseMatch, reverse

from common.fields import Field, FieldType
from common.origin import Origin
from contacts.fields import fields_of
from contacts.models import Activity, Kind
from contacts.showing import show

PAGE = 20
# What the kinds of one word have in common, as the filter calls it.
GROUPS = {
    "contact": "Contact changes",
    "tag": "Tags",
    "list": "Lists",
    "source": "Events",
    "order": "Orders",
    "recurring_payment": "Recurring payments",
    "mail": "Mails",
}
_ICONS = {
    Kind.CONTACT_CREATED: "user-plus",
    Kind.CONTACT_UPDATED: "pencil",
    Kind.CONTACT_MERGED: "git-merge",
    "tag": "tag",
    "list": "list",
    "source": "zap",
    "order": "shopping-cart",
    "recurring_payment": "repeat",
    Kind.MAIL_OPENED: "eye",
    Kind.MAIL_CLICKED: "link",
    Kind.MAIL_BOUNCED: "triangle-alert",
    Kind.MAIL_COMPLAINED: "triangle-alert",
    Kind.MAIL_UNSUBSCRIBED: "ban",
    Kind.MAIL_REPLIED: "message-square",
    "mail": "mail",
}
_EVENT_ICONS = {
    "charge": "credit-card",
    "checkout": "shopping-cart",
    "customer": "user",
    "customer.subscription": "repeat",
    "invoice": "receipt",
}
# Values of these types are stored otherwise than people read them.
_DRESSED = (FieldType.BOOLEAN, FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_pages: dict[str, tuple[type[Model] | None, str, bool]] = {}


def link_pages(name: str, model: type[Model] | None, url_name: str, *, in_drawer: bool = False) -> None:
    """Lines whose activity names something (`data[name]`, a primary key) lead to its page as long as its row is there.
    Apps register in `AppConfig.ready()`; `url_name` takes the primary key. `in_drawer`: it also opens beside a page.
    No `model`: a row lasts as long as its lines, so the database is not asked.
    """
    _pages[name] = model, url_name, in_drawer


@dataclass(frozen=True)
class Change:
    """A field before and after, as people read it; "" or None for nothing."""

    label: str
    old: Any
    new: Any


_changes: dict[str, Callable[[Activity], list[Change]]] = {}


def tell_changes(group: str, changes: Callable[[Activity], list[Change]]) -> None:
    """Who knows the fields behind the activities of a group (“order” for “order.created”). For `AppConfig.ready()`."""
    _changes[group] = changes


@dataclass(frozen=True)
class Link:
    url: str = ""
    in_drawer: bool = False


NOWHERE = Link()


@dataclass(frozen=True)
class Line:
    """One activity, ready to show. `log_url`: the sync log entry that tells the rest. `link`: the page of what it is
    about. `undo_merge`: a merge of the last day.
    """

    activity: Activity
    icon: str
    source: str
    changes: list[Change]
    log_url: str
    link: Link = NOWHERE
    undo_merge: int | None = None


@dataclass(frozen=True)
class Page:
    """`older`: the cursor of the next page, "" on the last one."""

    lines: list[Line]
    older: str


def page(contact: Any, group: str = "", before: str = "") -> Page:
    """Activities of a group (all by default) before a cursor. A cursor nobody gave out begins at the newest.

    `contact` comes with what the panel of activities has along.
    """
    found = contact.activities.order_by("-occurred_at", "-id")
    if group in GROUPS:
        found = found.filter(kind__startswith=f"{group}.")
    if place := _place(before):
        moment, pk = place
        found = found.filter(Q(occurred_at__lt=moment) | Q(occurred_at=moment, pk__lt=pk))
    activities = list(found[: PAGE + 1])
    fields = {field.key: field for field in fields_of(contact)}
    shown = activities[:PAGE]
    older = _cursor(shown[-1]) if len(activities) > PAGE else ""
    undoable, links = {merge["id"] for merge in contact.merges_told}, _links(shown)
    return Page([_line(activity, fields, undoable, links.get(activity.pk, NOWHERE)) for activity in shown], older)


def groups_of(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """(group, label) of what a contact has activities of."""
    present = {kind.partition(".")[0] for kind in kinds}
    return [(group, label) for group, label in GROUPS.items() if group in present]


def log_url(entry: int | None) -> str:
    """Address of a sync log entry; "" without an entry, or where no such page exists."""
    if not entry:
        return ""
    try:
        return reverse("connections:log-entry", args=[entry])
    except NoReverseMatch:
        return ""


def _links(activities: list[Activity]) -> dict[int, Link]:
    """Activity -> the page of what it is about. One query, of however many kinds the things on the page are."""
    named = [
        (activity.pk, name, about)
        for activity in activities
        for name in _pages
        if isinstance(about := activity.data.get(name), int)
    ]
    there = _there({(name, about) for _, name, about in named})
    return {pk: _link(name, about) for pk, name, about in named if (name, about) in there}


def _link(name: str, about: int) -> Link:
    _, url_name, in_drawer = _pages[name]
    return Link(reverse(url_name, args=[about]), in_drawer)


def _there(named: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of them that still have a row."""
    lasting = {(name, about) for name, about in named if _pages[name][0] is None}
    found = [
        model._default_manager.filter(pk__in=[about for kind, about in named if kind == name])
        .order_by()
        .values_list(Value(name), "pk")
        for name in sorted({name for name, _ in named})
        if (model := _pages[name][0])
    ]
    return lasting | (set(found[0].union(*found[1:], all=True)) if found else set())


def _line(activity: Activity, fields: dict[str, Field], undoable: set[int], link: Link) -> Line:
    told = _changes.get(activity.kind.partition(".")[0])
    changes = told(activity) if told else [_change(change, fields) for change in activity.changes]
    merge = activity.data.get("merge")
    undo = merge if merge in undoable else None
    return Line(activity, _icon(activity), _source(activity), changes, log_url(activity.data.get("log")), link, undo)


def _change(change: dict[str, Any], fields: dict[str, Field]) -> Change:
    """Of a contact's field; the value of one that was deleted since is as it was stored."""
    field = fields.get(change["field"])
    if field is None:
        return Change(change["field"].removeprefix("field:"), change["old"], change["new"])
    old, new = (show(value, field) if field.type in _DRESSED else value for value in (change["old"], change["new"]))
    return Change(field.label, old, new)


def _icon(activity: Activity) -> str:
    group = activity.kind.partition(".")[0]
    if group == "source":
        event_type = str(activity.data.get("event_type", ""))
        fitting = [prefix for prefix in _EVENT_ICONS if event_type.startswith(prefix)]
        return _EVENT_ICONS[max(fitting, key=len)] if fitting else _ICONS[group]
    return _ICONS.get(Kind(activity.kind)) or _ICONS[group]


def _source(activity: Activity) -> str:
    """Who or what brought it: “Mia Marketer”, “Stripe · customer.updated”, “Stripe · history”."""
    about = activity.data
    if activity.kind.startswith("mail."):
        return str(about.get("campaign") or "Mail")
    if activity.origin == Origin.USER:
        return str(about.get("by") or "A user")
    if activity.origin == Origin.AUTOMATION:
        return str(about.get("automation") or "Automation")
    source = str(about.get("source") or "Stripe").capitalize()
    told = about.get("event_type") or Origin(activity.origin).label.lower()
    replayed = " · replayed" if activity.origin == Origin.REPLAY else ""
    return f"{source} · {told}{replayed}"


def _cursor(activity: Activity) -> str:
    return f"{(activity.occurred_at - _EPOCH) // timedelta(microseconds=1)}-{activity.pk}"


def _place(cursor: str) -> tuple[datetime, int] | None:
    microseconds, _, pk = cursor.partition("-")
    if not (microseconds.isdecimal() and pk.isdecimal() and len(microseconds) < 18 and len(pk) < 19):
        return None
    return _EPOCH + timedelta(microseconds=int(microseconds)), int(pk)
