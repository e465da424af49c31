"""The kinds of record listed under Settings, Manage data. Each app registers its own in `AppConfig.ready()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.field_order import OrderedFields


@dataclass(frozen=True)
class Entry:
    """`sentence` says on the page of the fields where their order shows."""

    label: str
    heading: str
    icon: str
    sentence: str
    fields: OrderedFields[Any]
    order: int

    @property
    def kind(self) -> str:
        return self.fields.kind


_entries: dict[str, Entry] = {}


def register(
    fields: OrderedFields[Any], *, label: str, heading: str, icon: str, sentence: str, order: int = 50
) -> None:
    """Adds a kind of record, lowest `order` first. The same kind again replaces it."""
    _entries[fields.kind] = Entry(label, heading, icon, sentence, fields, order)


def entries() -> list[Entry]:
    return sorted(_entries.values(), key=lambda entry: entry.order)


def entry(kind: str) -> Entry | None:
    return _entries.get(kind)
