"""Conditions as a sentence: «Has the tag “trial” and (phone is empty or has a recurring payment that is active)»."""

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
from segments.phrases import phrase

NOUNS = {RECURRING_PAYMENT: "recurring payment", "order": "order"}
_JOINS = {"all": " and ", "any": " or "}
_VERBS = ("is ", "has ", "was ", "ends ", "does ")
_DELETED = "a field that was deleted"
_COMPARISONS = {"on": "is on …"}


def describe(group: Group) -> str:
    """One line without a full stop; “Everybody” where nothing is asked."""
    if not group.items:
        return "Everybody"
    told = _Teller(fields(CONTACT), _list_names(group)).group(group)
    return told[:1].upper() + told[1:]


def describe_record(group: Group, about: str) -> str:
    """Which recurring payment or order is meant: «that is active and whose item names include “Pro”». May be empty."""
    return _Teller(fields(about), {}).record(group.items, group.match)


class _Teller:
    def __init__(self, known: dict[str, ConditionField], lists: dict[int, str]) -> None:
        self.known = known
        self.lists = lists

    def group(self, group: Group) -> str:
        if len(group.items) == 1:
            return self.item(group.items[0])
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
        about = item.field.partition(".")[0]
        return self.related(Related(about, "any", "all", (item,))) if about in NOUNS else self.condition(item)

    def related(self, item: Related) -> str:
        article = "no" if item.quantifier == "none" else "a" if item.about == RECURRING_PAYMENT else "an"
        return f"has {article} {NOUNS[item.about]} {self.record(item.conditions, item.match)}".strip()

    def record(self, items: Iterable[Item], match: str) -> str:
        """«that is active and whose item names include “Pro”»; a second «that» is not said."""
        told, last = [], ""
        for item in items:
            words = f"({self.record(item.items, item.match)})" if isinstance(item, Group) else self.clause(item)
            told.append(words.removeprefix("that ") if last.startswith("that ") else words)
            last = words
        return _JOINS[match].join(told)

    def clause(self, item: Item) -> str:
        """What is said of a record, with the word that ties it to one."""
        words = self.condition(item) if isinstance(item, Condition) else self.item(item)
        if words == _DELETED:
            return f"with {words}"
        return f"that {words}" if words.startswith(_VERBS) else f"whose {words}"

    def condition(self, item: Condition) -> str:
        asked = self.known.get(item.field)
        operator = asked.operator(item.operator) if asked else None
        if asked is None or operator is None:
            return _DELETED
        value = self.value(asked, operator, item.value)
        before, dots, after = _COMPARISONS.get(operator.key, operator.label).partition("…")
        comparison = f"{before}{value}{after}" if dots else f"{operator.label} {value}".strip()
        return phrase(asked, item, comparison, value) or f"{_inside(asked)} {comparison}"

    def value(self, asked: ConditionField, operator: Operator, value: Any) -> str:
        match operator.shape:
            case Shape.NONE:
                return ""
            case Shape.CONTACT_LIST:
                return f"the list “{self.lists[value]}”" if value in self.lists else "a list that was deleted"
            case Shape.CHOICE:
                chosen = str(dict(asked.choices).get(value, value))
                return chosen if _is_own(asked) or asked.column == "source" else chosen.lower()
        return str(_WORDS.get(operator.shape, _quoted)(value))


def _inside(asked: ConditionField) -> str:
    """The field's name within a sentence. What people named themselves stays as they wrote it."""
    return asked.name if _is_own(asked) else asked.name[:1].lower() + asked.name[1:]


def _is_own(asked: ConditionField) -> bool:
    return ".field:" in asked.key


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
