"""Whether a change of a field went from one value to another. Values are compared, however they are written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from common import money
from common.fields import Field, FieldType

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


def went(changes: list[dict[str, Any]], key: str, old: Any, new: Any, field: Field | None, currency: str = "") -> bool:
    """Whether the field changed, from `old` and to `new`; None means any value."""
    return any(
        change["field"] == key
        and (old is None or _is(change["old"], old, field, currency))
        and (new is None or _is(change["new"], new, field, currency))
        for change in changes
    )


def read(written: Any, field: Field | None) -> Any:
    """What a person wrote, as a value to compare with. ValueError in words if it is none of this field."""
    text = str(written).strip()
    if field is None:
        return text.casefold()
    match field.type:
        case FieldType.NUMBER | FieldType.MONEY:
            return _number(text)
        case FieldType.DATE | FieldType.DATETIME:
            return _day(text)
        case FieldType.BOOLEAN if text.casefold() not in _YES_NO:
            raise ValueError("Choose yes or no.")
        case FieldType.BOOLEAN:
            return _YES_NO[text.casefold()]
    if field.choices and text.casefold() not in {one.casefold() for one in field.choices}:
        raise ValueError(f"“{text[:80]}” is not one of the choices of {field.label}.")
    return text.casefold()


def _is(told: Any, wanted: Any, field: Field | None, currency: str) -> bool:
    if told is None:
        return False
    try:
        asked = read(wanted, field)
        if field and field.type is FieldType.MONEY and isinstance(told, int):
            return bool(money.to_major(told, currency) == asked)
        return bool(read(told, field) == asked)
    except ValueError:
        # Written before it was checked, or a choice that was taken away: nothing can be it.
        return False


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValueError("Write a number such as 49.50, with a point and without a currency.")
    return number


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError("Write a day such as 2026-11-21.") from None
