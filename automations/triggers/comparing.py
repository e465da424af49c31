"""Whether a change of a field went from one value to another, as people write values."""

from __future__ import annotations

from typing import Any

from common import money
from common.fields import Field, FieldType


def went(changes: list[dict[str, Any]], key: str, old: Any, new: Any, field: Field | None, currency: str = "") -> bool:
    """Whether the field changed, from `old` and to `new`; None means any value."""
    return any(
        change["field"] == key
        and (old is None or _is(change["old"], old, field, currency))
        and (new is None or _is(change["new"], new, field, currency))
        for change in changes
    )


def _is(told: Any, wanted: Any, field: Field | None, currency: str) -> bool:
    return _text(told, field, currency).casefold() == _wanted(wanted, field, currency).casefold()


def _text(value: Any, field: Field | None, currency: str) -> str:
    """As a person would write it: 4900 of EUR is “49.00”, a moment its day, yes and no."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field and field.type is FieldType.MONEY and isinstance(value, int):
        return money.as_text(value, currency)
    if field and field.type in (FieldType.DATE, FieldType.DATETIME):
        return str(value)[:10]
    return str(value)


def _wanted(value: Any, field: Field | None, currency: str) -> str:
    text = str(value).strip()
    if field and field.type is FieldType.MONEY and "." not in text and money.digits(currency):
        return f"{text}.{'0' * money.digits(currency)}"
    if field and field.type is FieldType.BOOLEAN:
        return {"true": "yes", "false": "no"}.get(text.casefold(), text)
    return text
