"""What conditions mean, said once more in plain Python over objects in memory: slow, and easy to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

DIGITS = {"EUR": 2, "JPY": 0, "KWD": 3}
PAID = {"paid", "partially_refunded", "refunded", "disputed"}


@dataclass
class Person:
    """A contact as a test made it. Records are dicts of column -> value, with `items` for an order's lines."""

    contact: Any
    values: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    lists: set[int] = field(default_factory=set)
    identities: set[tuple[str, str]] = field(default_factory=set)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """`kinds`: key of a field -> its kind."""

    now: datetime
    zone: ZoneInfo
    kinds: dict[str, str]

    def item(self, tree: dict[str, Any], person: Person) -> bool:
        if "items" in tree:
            if not tree["items"]:
                return True
            parts = [self.item(one, person) for one in tree["items"]]
            return all(parts) if tree["match"] == "all" else any(parts)
        if "about" in tree:
            found = any(self.record(tree, record) for record in person.records[tree["about"]])
            return found if tree["quantifier"] == "any" else not found
        about, _, column = tree["field"].partition(".")
        if about != "contact":
            return any(self.condition(tree, record) for record in person.records[about])
        if column in ("tag", "list", "customer", "order_count", "paid_total", "recurring_payment_count"):
            return self.special(column, tree, person)
        return self.condition(tree, person.values)

    def record(self, block: dict[str, Any], record: dict[str, Any]) -> bool:
        parts = [self.condition(one, record) for one in block["conditions"]]
        if not parts:
            return True
        return all(parts) if block["match"] == "all" else any(parts)

    def condition(self, asked: dict[str, Any], record: dict[str, Any]) -> bool:
        column = asked["field"].partition(".")[2]
        value = _value(column, record)
        kind = self.kinds[asked["field"]]
        if kind == "money":
            return money(asked, value, record["currency"])
        return self.holds(kind, value, asked["operator"], asked["value"])

    def holds(self, kind: str, value: Any, operator: str, wanted: Any) -> bool:
        if operator == "is_empty":
            return value is None or value == "" or value == []
        if operator == "is_not_empty":
            return not (value is None or value == "" or value == [])
        match kind:
            case "text":
                return text((value or "").upper(), operator, wanted.upper())
            case "choice":
                return (value == wanted) == (operator == "is")
            case "number":
                return number(None if value is None else Decimal(str(value)), operator, wanted)
            case "boolean":
                return value is (operator == "yes")
            case "words":
                return words([word.upper() for word in value], operator, wanted.upper())
            case "date":
                return value is not None and self.day(value, value >= self.today, value <= self.today, operator, wanted)
            case "datetime":
                if value is None:
                    return False
                local = value.astimezone(self.zone).date()
                return self.day(local, value >= self.now, value < self.now, operator, wanted)
        raise AssertionError(kind)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def day(self, day: date, ahead: bool, behind: bool, operator: str, wanted: Any) -> bool:
        match operator:
            case "today":
                return day == self.today
            case "on":
                return day == date.fromisoformat(wanted)
            case "before":
                return day < date.fromisoformat(wanted)
            case "after":
                return day > date.fromisoformat(wanted)
            case "between":
                return date.fromisoformat(wanted["from"]) <= day <= date.fromisoformat(wanted["to"])
        step = relativedelta(**{wanted["unit"]: wanted["count"]})
        past, future = self.today - step, self.today + step
        return {
            "within_next": ahead and day <= future,
            "within_last": behind and day >= past,
            "more_than_ago": day < past,
            "more_than_ahead": day > future,
            "exactly_ago": day == past,
            "exactly_ahead": day == future,
        }[operator]

    def special(self, column: str, asked: dict[str, Any], person: Person) -> bool:
        wanted, operator = asked["value"], asked["operator"]
        paid = [one for one in person.records["order"] if one["status"] in PAID]
        match column:
            case "tag":
                return (wanted in person.tags) == (operator == "has")
            case "list":
                return (wanted in person.lists) == (operator == "on_list")
            case "customer":
                source, _, account = wanted.partition(":")
                known = any(own == source and (not account or at == account) for own, at in person.identities)
                return known == (operator == "is")
            case "order_count":
                return number(Decimal(len(paid)), operator, wanted)
            case "recurring_payment_count":
                return number(Decimal(len(person.records["recurring_payment"])), operator, wanted)
        kept = sum(one["total"] - one["refunded"] for one in paid if one["currency"] == wanted["currency"])
        return money(asked, kept, wanted["currency"])


def _value(column: str, record: dict[str, Any]) -> Any:
    match column:
        case "kept":
            return record["total"] - record["refunded"]
        case "item_names":
            return [name for name, _, _ in record["items"] if name]
        case "item_skus":
            return [sku for _, sku, _ in record["items"] if sku]
        case "item_quantity":
            return sum(quantity for _, _, quantity in record["items"])
    return record[column]


def text(value: str, operator: str, wanted: str) -> bool:
    return {
        "is": value == wanted,
        "is_not": value != wanted,
        "contains": wanted in value,
        "not_contains": wanted not in value,
        "starts_with": value.startswith(wanted),
        "ends_with": value.endswith(wanted),
    }[operator]


def words(value: list[str], operator: str, wanted: str) -> bool:
    return {
        "includes": wanted in value,
        "not_includes": wanted not in value,
        "contains": any(wanted in word for word in value),
        "not_contains": not any(wanted in word for word in value),
    }[operator]


def number(value: Decimal | None, operator: str, wanted: Any) -> bool:
    if value is None:
        return operator == "is_not"
    if operator == "between":
        return Decimal(str(wanted["from"])) <= value <= Decimal(str(wanted["to"]))
    limit = Decimal(str(wanted))
    return {
        "is": value == limit,
        "is_not": value != limit,
        "more_than": value > limit,
        "at_least": value >= limit,
        "less_than": value < limit,
        "at_most": value <= limit,
    }[operator]


def money(asked: dict[str, Any], minor: int | None, currency: str) -> bool:
    wanted, operator = asked["value"], asked["operator"]
    if operator == "is_empty":
        return minor is None
    if operator == "is_not_empty":
        return minor is not None
    if minor is None or currency != wanted["currency"]:
        return False
    amount = Decimal(minor) / 10 ** DIGITS[currency]
    limits = wanted if operator == "between" else wanted["amount"]
    return number(amount, operator, limits)
