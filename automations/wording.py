"""Triggers and steps as people would say them: labels instead of codes, and “7 days before” instead of three inputs."""

from __future__ import annotations

from typing import Any

from common.fields import FieldType, catalogue
from segments.fields import fields

_OF = {"contact": "a contact", "recurring_payment": "a recurring payment"}


def value_of(about: str, key: str, value: Any) -> str:
    """A value of a field, by its label where it is one of a list: Payment failed for PAYMENT_FAILED."""
    known = choices_of(about, key)
    return known.get(str(value)) or f"“{value}”"


def choices_of(about: str, key: str) -> dict[str, str]:
    """Value -> label, for a field whose values are a list. Empty for every other."""
    field = catalogue(about).get(key)
    if field is None:
        return {}
    if field.type is FieldType.BOOLEAN:
        return {"yes": "yes", "no": "no", "True": "yes", "False": "no"}
    asked = fields(about).get(f"{about}.{key}")
    return dict(asked.choices) if asked else {one: one for one in field.choices}


def change(about: str, given: dict[str, Any]) -> str:
    """«Recurring payment status changes from Active to Payment failed»."""
    field = catalogue(about)[given["field"]]
    named = field.label if field.label.lower().startswith(_OF[about][2:]) else f"{field.label} of {_OF[about]}"
    ends = (f" {word} {value_of(about, field.key, given[word])}" for word in ("from", "to") if given.get(word))
    return f"{named} changes{''.join(ends)}"


def day(given: dict[str, Any], of: dict[str, str] | None = None) -> str:
    """«7 days before the next payment date of a recurring payment»; «on» the day itself."""
    about, _, key = given["field"].partition(".")
    label = catalogue(about)[key].label
    return f"{days(given)} the {label[:1].lower()}{label[1:]} of {(of or _OF)[about]}"


def days(given: dict[str, Any]) -> str:
    """«7 days before», «1 day after», «on»."""
    count = int(given.get("days") or 0)
    return f"{count} day{'' if count == 1 else 's'} {given['when']}" if count else "on"
