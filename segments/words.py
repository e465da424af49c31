"""Conditions as a sentence: «Tag is “trial” and (Phone is empty or a recurring payment where Next payment date …)»."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from common.formats import day_text, money_text
from common.money import to_minor
from contacts.models import ContactList
from segments.conditions import Condition, Group, Item, Related
from segments.customers import customer_name
from segments.fields import CONTACT, LIST, RECURRING_PAYMENT, ConditionField, fields
from segments.operators import Operator, Shape

NOUNS = {RECURRING_PAYMENT: "recurring payment", "order": "order"}
_JOINS = {"all": " and ", "any": " or "}


def describe(group: Group) -> str:
    """One line without a full stop; “Everybody” where nothing is asked."""
    if not group.items:
        return "Everybody"
    told = _Teller(fields(CONTACT), _list_names(group)).group(group)
    return told[:1].upper() + told[1:]


class _Teller:
    def __init__(self, known: dict[str, ConditionField], lists: dict[int, str]) -> None:
        self.known = known
        self.lists = lists

    def group(self, group: Group) -> str:
        return _JOINS[group.match].join(self.within(item) for item in group.items)

    def within(self, item: Item) -> str:
        """In brackets where it could be read otherwise."""
        if isinstance(item, Group) and len(item.items) > 1:
            return f"({self.item(item)})"
        return f"({self.item(item)})" if isinstance(item, Related) and len(item.conditions) > 1 else self.item(item)

    def item(self, item: Item) -> str:
        if isinstance(item, Group):
            return self.group(item)
        if isinstance(item, Related):
            return self.related(item)
        return self.condition(item, full=True)

    def related(self, item: Related) -> str:
        article = "no" if item.quantifier == "none" else "a" if item.about == RECURRING_PAYMENT else "an"
        asked = _JOINS[item.match].join(self.condition(one, full=False) for one in item.conditions)
        return f"has {article} {NOUNS[item.about]}" + (f" where {asked}" if asked else "")

    def condition(self, item: Condition, *, full: bool) -> str:
        """`full`: with what the field is about, where nothing else says it."""
        asked = self.known.get(item.field)
        operator = asked.operator(item.operator) if asked else None
        if asked is None or operator is None:
            return "a field that was deleted"
        value = self.value(asked, operator, item.value)
        before, dots, after = operator.label.partition("…")
        sentence = f"{before}{value}{after}" if dots else f"{operator.label} {value}".strip()
        return f"{asked.label if full else asked.name} {sentence}"

    def value(self, asked: ConditionField, operator: Operator, value: Any) -> str:
        match operator.shape:
            case Shape.NONE:
                return ""
            case Shape.CONTACT_LIST:
                return f"“{self.lists[value]}”" if value in self.lists else "a list that was deleted"
            case Shape.CHOICE:
                return str(dict(asked.choices).get(value, value))
        return str(_WORDS.get(operator.shape, _quoted)(value))


def _quoted(value: Any) -> str:
    return f"“{value}”"


def _numbers(value: dict[str, Any]) -> str:
    return f"{value['from']} and {value['to']}"


def _money(value: dict[str, str], part: str = "amount") -> str:
    return money_text(to_minor(Decimal(value[part]), value["currency"]), value["currency"])


def _moneys(value: dict[str, str]) -> str:
    return f"{_money(value, 'from')} and {_money(value, 'to')}"


def _day(value: str) -> str:
    return day_text(date.fromisoformat(value))


def _days(value: dict[str, str]) -> str:
    return f"{_day(value['from'])} and {_day(value['to'])}"


def _span(value: dict[str, Any]) -> str:
    unit = value["unit"].removesuffix("s") if value["count"] == 1 else value["unit"]
    return f"{value['count']} {unit}"


_WORDS: dict[Shape, Any] = {
    Shape.NUMBER: str,
    Shape.NUMBERS: _numbers,
    Shape.MONEY: _money,
    Shape.MONEYS: _moneys,
    Shape.DATE: _day,
    Shape.DATES: _days,
    Shape.SPAN: _span,
    Shape.CUSTOMER: customer_name,
}


def _list_names(group: Group) -> dict[int, str]:
    wanted = {item.value for item in _leaves(group) if item.field == LIST}
    return dict(ContactList.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}


def _leaves(item: Item) -> Iterable[Condition]:
    if isinstance(item, Condition):
        yield item
        return
    for one in item.items if isinstance(item, Group) else item.conditions:
        yield from _leaves(one)
