"""Rows of “our field -> their name”. Rows come and go by submit buttons; the parameter checks what is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from django.http import QueryDict

from automations.field_parameters import Mapping

_ABOUT = {"contact": "Contact", "recurring_payment": "Recurring payment", "order": "Order"}
MOST = 100


@dataclass
class MappingRows:
    """The rows of one mapping in a form, and what is wrong with them."""

    parameter: Mapping
    rows: list[dict[str, str]]
    error: str = ""
    groups: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    @classmethod
    def begin(cls, parameter: Mapping, data: QueryDict | None, initial: Any) -> MappingRows:
        rows = _read(parameter, data) if data is not None else [dict(row) for row in initial or []]
        if not rows and data is None:
            rows = [{"from": "contact.email" if name == "email" else "", "to": name} for name in parameter.needs]
        return cls(parameter, rows or [{"from": "", "to": ""}], groups=_groups(parameter))

    @property
    def name(self) -> str:
        return f"m-{self.parameter.key}"

    def clean(self) -> Any:
        try:
            return self.parameter.clean(self.rows)
        except ValueError as error:
            self.error = str(error)
            return None

    @property
    def needed(self) -> tuple[str, ...]:
        return self.parameter.needs


def _read(parameter: Mapping, data: QueryDict) -> list[dict[str, str]]:
    name = f"m-{parameter.key}"
    pairs = zip_longest(data.getlist(f"{name}-from")[:MOST], data.getlist(f"{name}-to")[:MOST], fillvalue="")
    rows = [{"from": source, "to": target} for source, target in pairs]
    if data.get("mapping-add") == parameter.key:
        rows.append({"from": "", "to": ""})
    key, _, place = data.get("mapping-remove", "").partition(":")
    if key == parameter.key and place.isdecimal() and int(place) < len(rows):
        del rows[int(place)]
    return rows


def _groups(parameter: Mapping) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for key, one in parameter.fields().items():
        groups.setdefault(_ABOUT.get(key.partition(".")[0], ""), []).append((key, one.label))
    return list(groups.items())
