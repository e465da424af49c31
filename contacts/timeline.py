"""A contact's activities as people read them: newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Model, Q, Value
from django.urls import NoReverseMatch, reverse

from common.origin import Origin
from contacts.fields import fields_of
from contacts.models import Activity, Kind

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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_pages: dict[str, tuple[type[Model], str]] = {}


def link_pages(name: str, model: type[Model], url_name: str) -> None:
    """Lines whose activity names something (`data[name]`, a primary key) lead to its page as long as its row is there.
    Apps register in `AppConfig.ready()`; `url_name` takes the primary key.
    """
    _pages[name] = model, url_name


@dataclass(frozen=True)
class Change:
    label: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Line:
    """One activity, ready to show. `log_url`: the sync log entry that tells the rest. `url`: the page of what it is
    about. `undo_merge`: a merge of the last day.
    """

    activity: Activity
    icon: str
    source: str
    changes: list[Change]
    log_url: str
    url: str = ""
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
    labels = {field.key: field.label for field in fields_of(contact)}
    shown = activities[:PAGE]
    older = _cursor(shown[-1]) if len(activities) > PAGE else ""
    undoable, urls = {merge["id"] for merge in contact.merges_told}, _urls(shown)
    return Page([_line(activity, labels, undoable, urls.get(activity.pk, "")) for activity in shown], older)


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


def _urls(activities: list[Activity]) -> dict[int, str]:
    """Activity -> the page of what it is about. One query, of however many kinds the things on the page are."""
    named = [
        (activity.pk, name, about)
        for activity in activities
        for name in _pages
        if isinstance(about := activity.data.get(name), int)
    ]
    there = _there({(name, about) for _, name, about in named})
    return {pk: reverse(_pages[name][1], args=[about]) for pk, name, about in named if (name, about) in there}


def _there(named: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of them that still have a row."""
    found = [
        _pages[name][0]
        ._default_manager.filter(pk__in=[about for kind, about in named if kind == name])
        .order_by()
        .values_list(Value(name), "pk")
        for name in sorted({name for name, _ in named})
    ]
    return set(found[0].union(*found[1:], all=True)) if found else set()


def _line(activity: Activity, labels: dict[str, str], undoable: set[int], url: str) -> Line:
    changes = [
        Change(labels.get(change["field"], change["field"].removeprefix("field:")), change["old"], change["new"])
        for change in activity.changes
    ]
    merge = activity.data.get("merge")
    undo = merge if merge in undoable else None
    return Line(activity, _icon(activity), _source(activity), changes, log_url(activity.data.get("log")), url, undo)


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
