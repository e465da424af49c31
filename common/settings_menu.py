"""The pages under Settings, listed at their left. Each app registers its own in `AppConfig.ready()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Entry:
    label: str
    url_name: str
    order: int
    role: str


@dataclass(frozen=True)
class ShownEntry:
    """One line of the list as the template needs it."""

    label: str
    url: str
    current: bool


_entries: dict[str, Entry] = {}


def register(label: str, url_name: str, *, order: int = 50, role: str = "staff") -> None:
    """Adds a page, lowest `order` first. People below `role` do not see it. The same URL name again replaces it."""
    _entries[url_name] = Entry(label, url_name, order, role)


def settings_menu(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `settings_menu`, worked out only when a template asks."""
    return {"settings_menu": lambda: _shown(request)}


def _shown(request: HttpRequest) -> list[ShownEntry]:
    at_least = getattr(request.user, "at_least", None)
    entries = sorted(_entries.values(), key=lambda entry: entry.order)
    return [shown for entry in entries if at_least and at_least(entry.role) and (shown := _show(request, entry))]


def _show(request: HttpRequest, entry: Entry) -> ShownEntry | None:
    try:
        url = reverse(entry.url_name)
    except NoReverseMatch:  # no entry without a page behind it
        return None
    return ShownEntry(entry.label, url, request.path.startswith(url))
