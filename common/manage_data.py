"""The kinds of record listed under Settings, Manage data. Each app registers its own in `AppConfig.ready()`."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True)
class Entry:
    label: str
    url_name: str
    icon: str
    sentence: str
    order: int

    @property
    def url(self) -> str:
        return reverse(self.url_name)


_entries: dict[str, Entry] = {}


def register(label: str, url_name: str, icon: str, sentence: str, *, order: int = 50) -> None:
    """Adds a kind of record, lowest `order` first. The same URL name again replaces it."""
    _entries[url_name] = Entry(label, url_name, icon, sentence, order)


def entries() -> list[Entry]:
    return sorted(_entries.values(), key=lambda entry: entry.order)
