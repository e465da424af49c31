"""A resource's mapping rows as people read them."""

from __future__ import annotations

from dataclasses import dataclass

from common import fields as catalogue
from connections.models import Resource
from connections.sources.stripe import fields as source
from contacts.fields import targets


@dataclass(frozen=True)
class MappingRow:
    """`target` is "" when the contact field is gone."""

    number: int
    sources: str
    target: str
    only_if_empty: bool


def rows(resource: Resource) -> list[MappingRow]:
    """The rows of the mapping in use, with labels for keys. One query."""
    if resource.mapping is None:
        return []
    offered, fields = catalogue.catalogue(source.name(resource.kind)), targets()
    return [
        MappingRow(
            number=number,
            sources=", else ".join(offered[key].label if key in offered else key for key in row["from"]),
            target=fields[row["to"]].label if row["to"] in fields else "",
            only_if_empty=row.get("write") == "if_empty",
        )
        for number, row in enumerate(resource.mapping.rows, start=1)
    ]
