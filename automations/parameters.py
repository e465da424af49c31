"""Typed parameters of triggers and actions. Form, check and summary in words all come from these.

A value is what stands in the automation's JSON. `clean` takes what a form or a file says and gives the value as it is
stored; ValueError says in words what is wrong with it. `words` shows a stored value to people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

Choices = Iterable[tuple[str, str]]
_UNITS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}
LONGEST = timedelta(days=3650)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """`key` is stable: it stands in the JSON. `kind` tells a form which widget to draw."""

    kind: ClassVar[str] = "text"
    key: str
    label: str
    help: str = ""
    required: bool = True
    default: Any = None

    def clean(self, value: Any) -> Any:
        """The value as it is stored; None for an empty one that may be empty."""
        if value is None or value in ("", [], {}):
            if self.required:
                raise ValueError("Fill in this field.")
            return None
        return self._clean(value)

    def _clean(self, value: Any) -> Any:
        return value

    def words(self, value: Any) -> str:
        return "" if value is None else str(value)


@dataclass(frozen=True, kw_only=True)
class Text(Parameter):
    longest: int = 300
    rows: int = 1

    def _clean(self, value: Any) -> str:
        text = str(value).strip()
        if len(text) > self.longest:
            raise ValueError(f"At most {self.longest} characters.")
        if not text and self.required:
            raise ValueError("Fill in this field.")
        return text


@dataclass(frozen=True, kw_only=True)
class Number(Parameter):
    kind: ClassVar[str] = "number"
    least: int = 0
    most: int = 1_000_000

    def _clean(self, value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            raise ValueError("Write a whole number.") from None
        if not self.least <= number <= self.most:
            raise ValueError(f"Write a number from {self.least} to {self.most}.")
        return number


@dataclass(frozen=True, kw_only=True)
class YesNo(Parameter):
    """One that is required and has no default has no answer until somebody gives one."""

    kind: ClassVar[str] = "yes_no"

    def _clean(self, value: Any) -> bool:
        answer = {"true": True, "yes": True, "on": True, "false": False, "no": False}.get(str(value).lower())
        if answer is None:
            raise ValueError("Choose yes or no.")
        return answer

    def words(self, value: Any) -> str:
        return "" if value is None else "yes" if value else "no"


@dataclass(frozen=True, kw_only=True)
class Choice(Parameter):
    """One of `offered()`: (value, label) pairs, read anew each time."""

    kind: ClassVar[str] = "choice"
    offered: Callable[[], Choices]
    empty_label: str = ""

    def _clean(self, value: Any) -> Any:
        if str(value) not in dict(self.offered()):
            raise ValueError("Choose one of the list. What was chosen before does not exist any more.")
        return str(value)

    def words(self, value: Any) -> str:
        return self.empty_label if value is None else dict(self.offered()).get(str(value), str(value))


@dataclass(frozen=True, kw_only=True)
class Several(Choice):
    """Several of `offered()`; a list of values."""

    kind: ClassVar[str] = "choices"

    def _clean(self, value: Any) -> list[str]:
        values = [value] if isinstance(value, str) else list(value)
        unknown = [one for one in values if one not in dict(self.offered())]
        if unknown:
            raise ValueError(f"{', '.join(map(str, unknown))} cannot be chosen here any more.")
        return list(dict.fromkeys(values))

    def words(self, value: Any) -> str:
        labels = dict(self.offered())
        return ", ".join(labels.get(one, one) for one in value or []) or self.empty_label


@dataclass(frozen=True, kw_only=True)
class Row(Parameter):
    """One row of a table, by its primary key: a campaign, a list, a user, another automation."""

    kind: ClassVar[str] = "choice"
    offered: Callable[[], Choices]
    gone: str = "This does not exist any more. Choose another."

    def _clean(self, value: Any) -> int:
        if str(value) not in dict(self.offered()):
            raise ValueError(self.gone)
        return int(value)

    def words(self, value: Any) -> str:
        return "" if value is None else dict(self.offered()).get(str(value), "(deleted)")


@dataclass(frozen=True, kw_only=True)
class Campaign(Row):
    kind: ClassVar[str] = "campaign"
    gone: str = "This mail does not exist any more. Choose or write another."


@dataclass(frozen=True, kw_only=True)
class Tag(Parameter):
    """A tag by name. One that does not exist yet is made when it is used."""

    kind: ClassVar[str] = "tag"

    def _clean(self, value: Any) -> str:
        name = str(value).strip()
        if not 0 < len(name) <= 150:
            raise ValueError("A tag has 1 to 150 characters.")
        return name

    def words(self, value: Any) -> str:
        return f"“{value}”" if value else "any tag"


@dataclass(frozen=True, kw_only=True)
class Duration(Parameter):
    """{"amount": 3, "unit": "days"}: minutes, hours or days."""

    kind: ClassVar[str] = "duration"
    units: tuple[str, ...] = tuple(_UNITS)
    least: int = 1

    def _clean(self, value: Any) -> dict[str, Any]:
        try:
            amount, unit = int(value["amount"]), str(value["unit"])
        except (KeyError, TypeError, ValueError):
            raise ValueError("Write a whole number and choose its unit.") from None
        if unit not in self.units:
            raise ValueError("Choose a unit.")
        if not self.least <= amount <= LONGEST // _UNITS[unit]:
            raise ValueError(f"Write a number from {self.least} on, at most ten years.")
        return {"amount": amount, "unit": unit}

    def words(self, value: Any) -> str:
        if not value:
            return ""
        unit = value["unit"][:-1] if value["amount"] == 1 else value["unit"]
        return f"{value['amount']} {unit}"


def as_timedelta(value: dict[str, Any]) -> timedelta:
    """What a stored duration lasts."""
    return _UNITS[value["unit"]] * int(value["amount"])
