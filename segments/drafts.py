"""A tree of conditions while a person writes it: whatever stands in the form, complete or not, with its mistakes.

Names in the form: `<prefix>[-<place>]-<part>`, where a place such as "0-2" leads down the tree. `kind` says what stands
there; a structural button sends `<prefix>-do`: "condition:0", "group:", "remove:0-2".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segments.conditions import Condition, Group, Item, Related
from segments.fields import ABOUT, ConditionField
from segments.operators import Operator, Shape

CONDITION, GROUP = "condition", "group"
KINDS = (CONDITION, GROUP, *ABOUT)
PARTS = ("value", "from", "to", "amount", "currency", "count", "unit")
_PARTS_OF: dict[Shape, tuple[str, ...]] = {
    Shape.NUMBERS: ("from", "to"),
    Shape.MONEY: ("amount", "currency"),
    Shape.MONEYS: ("from", "to", "currency"),
    Shape.DATES: ("from", "to"),
    Shape.SPAN: ("count", "unit"),
}
_MOST_NODES, _DEEPEST = 400, 7
Place = tuple[int, ...]


@dataclass
class Draft:
    """A condition, a group, or a block about records. `parts` are what stands in its inputs; `errors` by part."""

    kind: str
    field: str = ""
    operator: str = ""
    parts: dict[str, str] = dataclasses.field(default_factory=dict)
    match: str = "all"
    quantifier: str = "any"
    children: list[Draft] = dataclasses.field(default_factory=list)
    errors: dict[str, str] = dataclasses.field(default_factory=dict)

    def at(self, place: Place) -> Draft | None:
        """What stands there; None if nothing does any more."""
        if not place:
            return self
        return self.children[place[0]].at(place[1:]) if place[0] < len(self.children) else None


def empty() -> Draft:
    return Draft(GROUP, children=[Draft(CONDITION)])


def from_tree(item: Item, shape_of: Callable[[Condition], Shape]) -> Draft:
    """What the form shows for stored conditions."""
    if isinstance(item, Group):
        return Draft(GROUP, match=item.match, children=[from_tree(one, shape_of) for one in item.items])
    if isinstance(item, Related):
        children = [from_tree(one, shape_of) for one in item.conditions]
        return Draft(item.about, match=item.match, quantifier=item.quantifier, children=children)
    names = parts_of(shape_of(item))
    values = item.value if isinstance(item.value, dict) else {"value": item.value}
    parts = {name: str(values[name]) for name in names if values.get(name) is not None}
    return Draft(CONDITION, item.field, item.operator, parts)


def from_data(data: Mapping[str, Any], prefix: str) -> Draft:
    """What was sent. Anything that does not fit the pattern of names is left out."""
    pattern = re.compile(rf"{re.escape(prefix)}-(?:((?:\d{{1,3}}-)+))?kind")
    kinds: dict[Place, str] = {}
    for name in data:
        if (found := pattern.fullmatch(name)) and data[name] in KINDS and len(kinds) < _MOST_NODES:
            place = tuple(int(number) for number in (found[1] or "").split("-") if number)
            kinds[place] = data[name]
    children: dict[Place, list[Place]] = {}
    for place in sorted(place for place in kinds if 0 < len(place) <= _DEEPEST):
        children.setdefault(place[:-1], []).append(place)
    return _read((), data, prefix, kinds, children)


def _read(
    place: Place,
    data: Mapping[str, Any],
    prefix: str,
    kinds: dict[Place, str],
    children: dict[Place, list[Place]],
) -> Draft:
    def sent(part: str, default: str = "") -> str:
        return str(data.get(name_of(prefix, place, part), default))

    return Draft(
        kinds.get(place, GROUP),
        field=sent("field"),
        operator=sent("operator"),
        parts={part: sent(part) for part in PARTS if sent(part)},
        match="any" if sent("match") == "any" else "all",
        quantifier="none" if sent("quantifier") == "none" else "any",
        children=[_read(child, data, prefix, kinds, children) for child in children.get(place, [])],
    )


def name_of(prefix: str, place: Place, part: str) -> str:
    """The name of an input: "conditions-0-2-operator"."""
    return "-".join((prefix, *map(str, place), part))


def act(root: Draft, action: str) -> Place | None:
    """Do what a structural button asks. The place to go on at, None where that is gone."""
    verb, _, where = action.partition(":")
    place = tuple(int(number) for number in where.split("-") if number.isascii() and number.isdigit())
    there = root.at(place)
    if there is None:
        return None
    if verb in KINDS and there.kind != CONDITION:
        there.children.append(Draft(verb) if verb == CONDITION else Draft(verb, children=[Draft(CONDITION)]))
        added = (*place, len(there.children) - 1)
        # In a new group people go on with its first condition.
        return added if verb == CONDITION else (*added, 0)
    if verb == "remove" and place and (parent := root.at(place[:-1])):
        del parent.children[place[-1]]
        return place[:-1]
    return place


def settle(draft: Draft, known: Mapping[str, ConditionField]) -> None:
    """Give each chosen field an operator it has, so that the form can show what it is compared with."""
    asked = known.get(draft.field)
    if draft.kind == CONDITION and asked and asked.operator(draft.operator) is None:
        draft.operator = asked.operators[0].key
        draft.parts = {}
    for child in draft.children:
        settle(child, known)


def parts_of(shape: Shape) -> tuple[str, ...]:
    """The inputs an operator needs."""
    return _PARTS_OF.get(shape, () if shape == Shape.NONE else ("value",))


def as_json(draft: Draft, operator: Operator | None) -> dict[str, Any]:
    """A condition's draft as JSON, to be checked like any other."""
    parts: Any = draft.parts
    if operator:
        names = parts_of(operator.shape)
        parts = draft.parts.get("value", "") if names == ("value",) else {name: parts.get(name, "") for name in names}
    return {"field": draft.field, "operator": draft.operator, "value": parts}
