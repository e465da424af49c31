"""The entries of the sidebar: each app registers its own in `AppConfig.ready()`, so nothing here knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

GROUPS = ("People", "Revenue", "Connect")
FOOT = "Foot"
THEMES = ("light", "dark")

Counter = Callable[[HttpRequest], "int | QuerySet[Any] | None"]


Numbers = dict[str, tuple[int | None, int | None]]


@dataclass(frozen=True)
class Entry:
    group: str
    label: str
    url_name: str
    icon: str
    counter: Counter | None
    attention: Counter | None
    order: int
    role: str | None


@dataclass(frozen=True)
class ShownEntry:
    """One line of the sidebar as the template needs it; `count` and `attention` are None or a number above zero."""

    label: str
    url: str
    icon: str
    current: bool
    count: int | None
    attention: int | None


_entries: dict[str, Entry] = {}


def register(
    group: str,
    label: str,
    url_name: str,
    icon: str,
    *,
    counter: Counter | None = None,
    attention: Counter | None = None,
    order: int = 50,
    role: str | None = None,
) -> None:
    """Adds an entry to a group of GROUPS, or to FOOT.

    `counter` gives the quiet number beside it, `attention` the amber one; both get the request and answer a number,
    None, or the rows to be counted, by an index: they run on every full page, and all rows are counted in one query.
    `role` hides the entry from lower roles.
    Registering a URL name again replaces its entry.
    """
    if group not in (*GROUPS, FOOT):
        raise ValueError(f"unknown navigation group {group!r}")
    _entries[url_name] = Entry(group, label, url_name, icon, counter, attention, order, role)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context processor: what every page of the frame needs besides its own content.

    The counters wait until the template asks, so fragments and signed-out pages pay nothing.
    """
    theme = request.COOKIES.get("theme", "")
    return {
        "workspace_name": getattr(settings, "WORKSPACE_NAME", "Millrace"),
        "is_demo": getattr(settings, "DEMO", False),
        "theme": theme if theme in THEMES else "",
        "navigation": lambda: _groups(request),
        "navigation_foot": lambda: _shown(request, FOOT),
    }


def _groups(request: HttpRequest) -> list[tuple[str, list[ShownEntry]]]:
    numbers = _numbers(request)
    groups = [(group, _shown(request, group, numbers)) for group in GROUPS]
    return [(group, entries) for group, entries in groups if entries]


def _shown(request: HttpRequest, group: str, numbers: Numbers | None = None) -> list[ShownEntry]:
    entries = sorted((entry for entry in _entries.values() if entry.group == group), key=lambda entry: entry.order)
    known = numbers or {}
    return [
        shown
        for entry in entries
        if _may_see(request, entry) and (shown := _show(request, entry, known.get(entry.url_name, (None, None))))
    ]


def _numbers(request: HttpRequest) -> Numbers:
    """Counter and attention of each entry this user sees."""
    entries = [entry for entry in _entries.values() if _may_see(request, entry)]
    asked = [(entry, counter(request) if counter else None) for entry in entries for counter in _counters(entry)]
    counted = iter(_count([answer for _, answer in asked if isinstance(answer, QuerySet)]))
    told = [(next(counted) if isinstance(answer, QuerySet) else answer) or None for _, answer in asked]
    return {entry.url_name: (told[2 * place], told[2 * place + 1]) for place, entry in enumerate(entries)}


def _counters(entry: Entry) -> tuple[Counter | None, Counter | None]:
    return entry.counter, entry.attention


def _count(found: list[QuerySet[Any]]) -> list[int]:
    """How many rows each has, in one statement."""
    if not found:
        return []
    compiled = [rows.order_by().values("pk").query.sql_with_params() for rows in found]
    counts = ", ".join(f"(select count(*) from ({statement}) as rows)" for statement, _ in compiled)  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"select {counts}", [value for _, values in compiled for value in values])
        return list(cursor.fetchone())


def _may_see(request: HttpRequest, entry: Entry) -> bool:
    at_least = getattr(getattr(request, "user", None), "at_least", None)
    return entry.role is None or (at_least is not None and at_least(entry.role))


def _show(request: HttpRequest, entry: Entry, numbers: tuple[int | None, int | None]) -> ShownEntry | None:
    try:
        url = reverse(entry.url_name)
    except NoReverseMatch:  # no entry without a page behind it
        return None
    return ShownEntry(
        label=entry.label,
        url=url,
        icon=entry.icon,
        current=_is_current(request, entry, url),
        count=numbers[0],
        attention=numbers[1],
    )


def _is_current(request: HttpRequest, entry: Entry, url: str) -> bool:
    """The page itself or one below it; or one of the same URL namespace that is not below another entry."""
    match = getattr(request, "resolver_match", None)
    namespace = entry.url_name.rpartition(":")[0]
    if _is_below(request, url):
        return True
    return bool(namespace) and match is not None and match.namespace == namespace and not _has_entry_above(request)


def _is_below(request: HttpRequest, url: str) -> bool:
    return url != "/" and request.path.startswith(url)


def _has_entry_above(request: HttpRequest) -> bool:
    """Whether the page's address lies below some entry: an app's page under Settings belongs to Settings."""
    for entry in _entries.values():
        try:
            if _is_below(request, reverse(entry.url_name)):
                return True
        except NoReverseMatch:
            continue
    return False
