"""The tree of conditions: read from JSON with the exact place of every mistake, and written back.

    {"match": "all", "items": [
        {"field": "contact.tag", "operator": "has", "value": "trial"},
        {"match": "any", "items": [...]},
        {"about": "recurring_payment", "quantifier": "any", "match": "all", "conditions": [...]}]}

A group without items matches everybody, a block without conditions asks only whether there is such a record. A single
condition about a recurring payment or an order holds when at least one of the contact's does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segments import values
from segments.fields import ABOUT, CONTACT, ConditionField, fields
from segments.operators import Operator

MATCHES = ("all", "any")
QUANTIFIERS = ("any", "none")
DEEPEST, MOST = 5, 200


class ConditionError(ValueError):
    """A mistake in conditions. `path` is where: "items[0].conditions[2].value.to", "" for the whole."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Condition:
    """`value` is in the shape the operator asks for, see `operators.Shape`; None where it needs none."""

    field: str
    operator: str
    value: Any = None


@dataclass(frozen=True)
class Related:
    """At least one (`any`) or no (`none`) recurring payment or order that matches all or any of the conditions."""

    about: str
    quantifier: str = "any"
    match: str = "all"
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Group:
    match: str = "all"
    items: tuple[Condition | Related | Group, ...] = ()


Item = Condition | Related | Group


def parse(data: Any, scope: str = CONTACT) -> Group:
    """The tree of stored JSON. `scope`: contact, or recurring_payment for conditions on one such record.

    ConditionError names the place and says what is wrong: an unknown field, an operator it does not have, a value.
    """
    return _Reader(scope).group(data, "", 1)


def parse_loosely(data: Any, scope: str = CONTACT) -> Group:
    """The tree with every condition as it stands there, right or not, for a form to mend. ConditionError as `parse`
    where the tree itself is none.
    """
    return _Reader(scope, is_strict=False).group(data, "", 1)


def as_json(group: Group) -> dict[str, Any]:
    return {"match": group.match, "items": [_item_as_json(item) for item in group.items]}


def condition(data: Any, known: dict[str, ConditionField], path: str = "") -> Condition:
    """One condition about one of the known fields. ConditionError as `parse`."""
    found = _mapping(data, path, {"field", "operator", "value"})
    field = known.get(found["field"]) if isinstance(found.get("field"), str) else None
    if field is None:
        raise ConditionError(_at(path, "field"), "Choose a field. The one that stood here does not exist.")
    operator = operator_of(field, found.get("operator"), path)
    try:
        value = values.read(operator.shape, found.get("value"), field)
    except values.ValueProblem as problem:
        place = _at(path, "value")
        raise ConditionError(_at(place, problem.part) if problem.part else place, str(problem)) from problem
    return Condition(field.key, operator.key, value)


def operator_of(field: ConditionField, key: Any, path: str = "") -> Operator:
    operator = field.operator(key) if isinstance(key, str) else None
    if operator is None:
        raise ConditionError(_at(path, "operator"), f"Choose how to compare {field.name}.")
    return operator


class _Reader:
    """Reads one tree: asks the catalogue once, and counts."""

    def __init__(self, scope: str, *, is_strict: bool = True) -> None:
        self.scope = scope
        self.is_strict = is_strict
        self.known = fields(scope)
        self.count = 0

    def group(self, data: Any, path: str, depth: int) -> Group:
        found = _mapping(data, path, {"match", "items"})
        match = _one_of(found.get("match"), MATCHES, _at(path, "match"))
        items = _array(found.get("items"), _at(path, "items"))
        if depth > DEEPEST:
            raise ConditionError(path, f"Groups can be nested {DEEPEST} deep.")
        if not items and depth > 1:
            raise ConditionError(_at(path, "items"), "Add a condition to this group, or remove it.")
        return Group(match, tuple(self.item(one, f"{_at(path, 'items')}[{n}]", depth) for n, one in enumerate(items)))

    def item(self, data: Any, path: str, depth: int) -> Item:
        if isinstance(data, dict) and "items" in data:
            return self.group(data, path, depth + 1)
        if isinstance(data, dict) and "about" in data and self.scope == CONTACT:
            return self.related(data, path)
        return self.condition(data, path, self.known)

    def related(self, data: Any, path: str) -> Related:
        found = _mapping(data, path, {"about", "quantifier", "match", "conditions"})
        about = _one_of(found["about"], ABOUT, _at(path, "about"))
        quantifier = _one_of(found.get("quantifier"), QUANTIFIERS, _at(path, "quantifier"))
        match = _one_of(found.get("match"), MATCHES, _at(path, "match"))
        place = _at(path, "conditions")
        own = {key: field for key, field in self.known.items() if field.about == about}
        listed = _array(found.get("conditions"), place)
        conditions = (self.condition(one, f"{place}[{number}]", own) for number, one in enumerate(listed))
        return Related(about, quantifier, match, tuple(conditions))

    def condition(self, data: Any, path: str, known: dict[str, ConditionField]) -> Condition:
        self.count += 1
        if self.count > MOST:
            raise ConditionError(path, f"There can be {MOST} conditions.")
        if self.is_strict:
            return condition(data, known, path)
        found = _mapping(data, path, {"field", "operator", "value"})
        return Condition(str(found.get("field")), str(found.get("operator")), found.get("value"))


def _item_as_json(item: Item) -> dict[str, Any]:
    if isinstance(item, Group):
        return as_json(item)
    if isinstance(item, Related):
        conditions = [_item_as_json(one) for one in item.conditions]
        head = {"about": item.about, "quantifier": item.quantifier, "match": item.match}
        return {**head, "conditions": conditions}
    return {"field": item.field, "operator": item.operator, "value": item.value}


def _mapping(data: Any, path: str, allowed: set[str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ConditionError(path, "Expected an object.")
    if unknown := sorted(set(data) - allowed, key=str):
        raise ConditionError(_at(path, str(unknown[0])), "Nothing of this name belongs here.")
    return data


def _array(data: Any, path: str) -> list[Any]:
    if not isinstance(data, list):
        raise ConditionError(path, "Expected a list.")
    return data


def _one_of(value: Any, allowed: tuple[str, ...], path: str) -> str:
    if value not in allowed:
        raise ConditionError(path, f"Expected {' or '.join(allowed)}.")
    return str(value)


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
