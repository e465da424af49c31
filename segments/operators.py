"""How a field can be asked about: the operators of each kind of field, and the shape of what they compare with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a condition's field holds."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    WORDS = "words"
    TAG = "tag"
    CONTACT_LIST = "list"
    CUSTOMER = "customer"


class Shape(StrEnum):
    """What stands behind an operator, and how it is stored in JSON."""

    NONE = "none"  # null
    TEXT = "text"  # "Chicago"
    NUMBER = "number"  # 5
    NUMBERS = "numbers"  # {"from": 1, "to": 5}
    MONEY = "money"  # {"amount": "49.00", "currency": "EUR"}
    MONEYS = "moneys"  # {"from": "10", "to": "49.00", "currency": "EUR"}
    DATE = "date"  # "2026-11-21"
    DATES = "dates"  # {"from": "2026-11-01", "to": "2026-11-30"}, both days included
    SPAN = "span"  # {"count": 7, "unit": "days"}
    CHOICE = "choice"  # one of the field's choices
    TAG = "tag"  # the name of a tag
    CONTACT_LIST = "list"  # the number of a list
    CUSTOMER = "customer"  # "stripe", or "stripe:acct_1" for one account


@dataclass(frozen=True)
class Operator:
    """`key` is stored in conditions; `label` stands between field and value in forms and sentences, the value where
    it has a «…», else after it.
    """

    key: str
    label: str
    shape: Shape


IS_EMPTY = Operator("is_empty", "is empty", Shape.NONE)
IS_NOT_EMPTY = Operator("is_not_empty", "is not empty", Shape.NONE)
_EMPTY = (IS_EMPTY, IS_NOT_EMPTY)
_WHEN = (
    Operator("on", "is on the day", Shape.DATE),
    Operator("before", "is before", Shape.DATE),
    Operator("after", "is after", Shape.DATE),
    Operator("between", "is between", Shape.DATES),
    Operator("today", "is today", Shape.NONE),
    Operator("within_next", "is within the next", Shape.SPAN),
    Operator("within_last", "is within the last", Shape.SPAN),
    Operator("more_than_ago", "is more than … ago", Shape.SPAN),
    Operator("more_than_ahead", "is more than … from now", Shape.SPAN),
    Operator("exactly_ago", "is exactly … ago", Shape.SPAN),
    Operator("exactly_ahead", "is exactly … from now", Shape.SPAN),
    *_EMPTY,
)

OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    Kind.TEXT: (
        Operator("is", "is", Shape.TEXT),
        Operator("is_not", "is not", Shape.TEXT),
        Operator("contains", "contains", Shape.TEXT),
        Operator("not_contains", "does not contain", Shape.TEXT),
        Operator("starts_with", "starts with", Shape.TEXT),
        Operator("ends_with", "ends with", Shape.TEXT),
        *_EMPTY,
    ),
    Kind.NUMBER: (
        Operator("is", "is", Shape.NUMBER),
        Operator("is_not", "is not", Shape.NUMBER),
        Operator("more_than", "is more than", Shape.NUMBER),
        Operator("at_least", "is at least", Shape.NUMBER),
        Operator("less_than", "is less than", Shape.NUMBER),
        Operator("at_most", "is at most", Shape.NUMBER),
        Operator("between", "is between", Shape.NUMBERS),
        *_EMPTY,
    ),
    Kind.MONEY: (
        Operator("is", "is", Shape.MONEY),
        Operator("more_than", "is more than", Shape.MONEY),
        Operator("at_least", "is at least", Shape.MONEY),
        Operator("less_than", "is less than", Shape.MONEY),
        Operator("at_most", "is at most", Shape.MONEY),
        Operator("between", "is between", Shape.MONEYS),
        *_EMPTY,
    ),
    Kind.DATE: _WHEN,
    Kind.DATETIME: _WHEN,
    Kind.BOOLEAN: (Operator("yes", "is yes", Shape.NONE), Operator("no", "is no", Shape.NONE), *_EMPTY),
    Kind.CHOICE: (Operator("is", "is", Shape.CHOICE), Operator("is_not", "is not", Shape.CHOICE), *_EMPTY),
    Kind.WORDS: (
        Operator("includes", "include", Shape.TEXT),
        Operator("not_includes", "do not include", Shape.TEXT),
        Operator("contains", "include one that contains", Shape.TEXT),
        Operator("not_contains", "include none that contains", Shape.TEXT),
        Operator("is_empty", "are empty", Shape.NONE),
        Operator("is_not_empty", "are not empty", Shape.NONE),
    ),
    Kind.TAG: (Operator("has", "is", Shape.TAG), Operator("has_not", "is not", Shape.TAG)),
    Kind.CONTACT_LIST: (
        Operator("on_list", "include", Shape.CONTACT_LIST),
        Operator("not_on_list", "do not include", Shape.CONTACT_LIST),
    ),
    Kind.CUSTOMER: (Operator("is", "of", Shape.CUSTOMER), Operator("is_not", "not of", Shape.CUSTOMER)),
}
UNITS = ("days", "weeks", "months")
