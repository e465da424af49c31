"""Mapping rows and held objects to facts about a contact. Pure: nothing is read or written here.

A row: {"from": [source keys tried in order], "to": "email" | "name" | "first_name" | … | "field:<key>",
"write": "always" | "if_empty"}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from common.fields import Field
from connections.sources.base import ValueOf, View
from connections.sources.stripe import fields as source
from contacts.facts import Fact
from contacts.fields import NAME, coerce
from contacts.names import split_name

Row = dict[str, Any]


@dataclass
class Mapped:
    """What a record says of its contact. `withdrawn`: empty facts of objects that rows asked before one had a value.
    `warnings`: values that did not fit their field, in words.
    """

    email: Fact | None = None
    facts: list[Fact] = field(default_factory=list)
    withdrawn: list[Fact] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def apply(rows: list[Row], view: View, targets: dict[str, Field], log: int | None = None) -> Mapped:
    """Run every row on a record. A row whose target is gone is left out with a warning; the others go on."""
    mapped = Mapped()
    for number, row in enumerate(rows, start=1):
        target = targets.get(row["to"])
        if target is None:
            mapped.warnings.append(f"Row {number}: the contact field it fills no longer exists.")
            continue
        try:
            _apply_row(mapped, row, number, view, target, log)
        except ValueError as error:
            mapped.warnings.append(f"Row {number}, {target.label}: {error}")
    return mapped


def keys(rows: list[Row]) -> set[str]:
    """Every source key the rows read."""
    return {key for row in rows for key in row["from"]}


def _apply_row(mapped: Mapped, row: Row, number: int, view: View, target: Field, log: int | None) -> None:
    found, lost = _first(view, row["from"])
    if row["to"] == "email":
        if found and found.value is not None:
            mapped.email = _fact("email", coerce(found.value, target), found, row, number, log)
        return
    is_name = row["to"] == NAME
    names = ("first_name", "last_name") if is_name else (row["to"],)
    for one in lost:
        mapped.withdrawn += [_fact(name, None, one, row, number, log) for name in names]
    if found is None:
        return
    values = _names(view, found) if is_name else (None if found.value is None else coerce(found.value, target),)
    mapped.facts += [_fact(name, value, found, row, number, log) for name, value in zip(names, values, strict=True)]


def _first(view: View, source_keys: list[str]) -> tuple[ValueOf | None, list[ValueOf]]:
    """The first key that has a value, or an empty value of an object that was asked; None if all are gone.

    And empty values of the other objects that were asked in vain: what they once said holds no longer.
    """
    in_vain = 0
    for key in source_keys:
        if found := source.read(view, key):
            break
        in_vain += 1
    if not in_vain:
        return found, []
    lost = {one.slot: one for key in source_keys[:in_vain] if (one := source.source_of(view, key))}
    if found is None:
        return (lost.popitem()[1] if lost else source.source_of(view)), list(lost.values())
    lost.pop(found.slot, None)
    return found, list(lost.values())


def _names(view: View, found: ValueOf) -> tuple[str, str]:
    if found.value is None:
        return "", ""
    full = coerce(found.value, _TEXT)
    # The name of a business is one name.
    business = source.read(view, "customer.business_name")
    return (full, "") if business and business.value == full else split_name(full)


def _fact(name: str, value: Any, found: ValueOf, row: Row, number: int, log: int | None) -> Fact:
    return Fact(
        field=name,
        value=value,
        as_of=found.as_of,
        slot=found.slot,
        object_id=found.object_id,
        log=log,
        row=number,
        if_empty=row.get("write") == "if_empty",
    )


_TEXT = Field("text", "Text")
