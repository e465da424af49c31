"""One catalogue of fields for mapping, conditions, personalization and reports.

An app declares its fields once, in `AppConfig.ready()`, under a catalogue's name ("contact", "stripe.customer").
Forms, previews, checks and help are all drawn from these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from common import once


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    EMAIL = "email"
    LIST = "list"


@dataclass(frozen=True)
class Field:
    """`key` is stable and public (setup files name it); `example` is what a value looks like."""

    key: str
    label: str
    type: FieldType = FieldType.TEXT
    group: str = ""
    example: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()


Provider = Callable[[], Iterable[Field]]
_providers: dict[str, list[Provider]] = {}


def register(catalogue: str, provider: Provider) -> None:
    """Add fields to a catalogue. The provider is asked at every reading, so it may look into the database."""
    providers = _providers.setdefault(catalogue, [])
    if provider not in providers:
        providers.append(provider)


def catalogue(name: str) -> dict[str, Field]:
    """Key -> Field, in the order of declaration. Empty for an unknown name."""
    return dict(once.read(("catalogue", name), lambda: _read(name)))


def _read(name: str) -> dict[str, Field]:
    return {field.key: field for provider in _providers.get(name, []) for field in provider()}


def grouped(fields: Iterable[Field]) -> dict[str, list[Field]]:
    """Group -> fields, both in order of first appearance: the shape of a select with optgroups."""
    groups: dict[str, list[Field]] = {}
    for field in fields:
        groups.setdefault(field.group, []).append(field)
    return groups
