"""What a condition compares with: read from JSON or a form, checked, and brought to the one shape that is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from common.money import to_minor
from common.text import storable
from segments.fields import ConditionField
from segments.operators import UNITS, Shape

LONGEST = 500
_EARLIEST, _LATEST = date(1900, 1, 1), date(2200, 12, 31)
_MOST = 9999


class ValueProblem(ValueError):
    """`part` is the part of the value that is wrong: "", "from", "to", "amount", "currency", "count" or "unit"."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


def read(shape: Shape, value: Any, field: ConditionField) -> Any:
    """The value as it is stored, see `Shape`. ValueProblem, in words, when it cannot be compared with."""
    return _READERS[shape](value, field)


def _nothing(value: Any, field: ConditionField) -> None:
    return None


def _text(value: Any, field: ConditionField) -> str:
    text = storable(value).strip() if isinstance(value, str) else ""
    if not text:
        raise ValueProblem("", "Enter what to compare with.")
    if len(text) > LONGEST:
        raise ValueProblem("", f"This is longer than {LONGEST} characters.")
    return text


def _number(value: Any, field: ConditionField, part: str = "") -> int | float:
    number = _decimal(value, part)
    return int(number) if number == number.to_integral_value() else float(number)


def _numbers(value: Any, field: ConditionField) -> dict[str, Any]:
    first, last = (_number(_part(value, part), field, part) for part in ("from", "to"))
    return {"from": first, "to": _ordered(first, last)}


def _money(value: Any, field: ConditionField) -> dict[str, str]:
    currency = _currency(value)
    return {"amount": _amount(value, "amount", currency), "currency": currency}


def _moneys(value: Any, field: ConditionField) -> dict[str, str]:
    currency = _currency(value)
    first, last = (_amount(value, part, currency) for part in ("from", "to"))
    _ordered(Decimal(first), Decimal(last))
    return {"from": first, "to": last, "currency": currency}


def _date(value: Any, field: ConditionField, part: str = "") -> str:
    try:
        day = date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueProblem(part, "Enter a date.") from None
    if not _EARLIEST <= day <= _LATEST:
        raise ValueProblem(part, "Enter a date between 1900 and 2200.")
    return day.isoformat()


def _dates(value: Any, field: ConditionField) -> dict[str, str]:
    first, last = (_date(_part(value, part), field, part) for part in ("from", "to"))
    if last < first:
        raise ValueProblem("to", "The second day is before the first.")
    return {"from": first, "to": last}


def _span(value: Any, field: ConditionField) -> dict[str, Any]:
    count = _decimal(_part(value, "count"), "count")
    if count != count.to_integral_value() or not 1 <= count <= _MOST:
        raise ValueProblem("count", f"Enter a whole number from 1 to {_MOST}.")
    if (unit := _part(value, "unit")) not in UNITS:
        raise ValueProblem("unit", "Choose days, weeks or months.")
    return {"count": int(count), "unit": unit}


def _choice(value: Any, field: ConditionField) -> str:
    known = dict(field.choices)
    if isinstance(value, str) and value in known:
        return value
    known_words = ", ".join(known.values())
    raise ValueProblem("", f"Choose one of {known_words}." if known else "This field has no choices.")


def _list(value: Any, field: ConditionField) -> int:
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit() or int(value) >= 2**63:
        raise ValueProblem("", "Choose a list.")
    return int(value)


def _customer(value: Any, field: ConditionField) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST:
        raise ValueProblem("", "Choose whose customer.")
    return storable(value)


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _decimal(value: Any, part: str) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueProblem(part, "Enter a number.") from None
    if isinstance(value, bool) or not number.is_finite() or abs(number) >= 10**15:
        raise ValueProblem(part, "Enter a number.")
    return number


def _amount(value: Any, part: str, currency: str) -> str:
    amount = _decimal(_part(value, part), part)
    try:
        to_minor(amount, currency)
    except ValueError:
        raise ValueProblem(part, f"{currency} has no smaller unit than that.") from None
    return f"{amount:f}"


def _currency(value: Any) -> str:
    code = str(_part(value, "currency") or "").strip().upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise ValueProblem("currency", "Enter the currency's three letters, such as EUR.")
    return code


def _ordered(first: Any, last: Any) -> Any:
    if last < first:
        raise ValueProblem("to", "The second number is smaller than the first.")
    return last


_READERS: dict[Shape, Callable[[Any, ConditionField], Any]] = {
    Shape.NONE: _nothing,
    Shape.TEXT: _text,
    Shape.NUMBER: _number,
    Shape.NUMBERS: _numbers,
    Shape.MONEY: _money,
    Shape.MONEYS: _moneys,
    Shape.DATE: _date,
    Shape.DATES: _dates,
    Shape.SPAN: _span,
    Shape.CHOICE: _choice,
    Shape.TAG: _text,
    Shape.CONTACT_LIST: _list,
    Shape.CUSTOMER: _customer,
}
