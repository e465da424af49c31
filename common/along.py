"""Small rows that come along with another query, where each kind of them would be a query of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Model, QuerySet
from django.db.models.functions import JSONObject

Row = TypeVar("Row", bound=Model)


def along(rows: QuerySet[Any], *fields: str) -> ArraySubquery:
    """These fields of the rows, in their order, to be annotated to another query; `read` makes rows of them again.

    `gone__email` is a field of a row they point at.
    """
    return ArraySubquery(rows.values_list(JSONObject(**{field: field for field in fields})))


def read(model: type[Row], told: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows as they came along. What was not asked for is empty in them: do not save them."""
    return [_row(model, one) for one in told]


def _row(model: type[Row], told: Mapping[str, Any]) -> Row:
    fields: dict[str, Any] = {field.name: field for field in model._meta.concrete_fields}
    own: dict[str, Any] = {}
    others: dict[str, dict[str, Any]] = {}
    for name, value in told.items():
        relation, _, field = name.partition("__")
        if field:
            others.setdefault(relation, {})[field] = value
        else:
            # JSON has no times; a field reads what it would write.
            own[name] = fields[name].to_python(value)
    for relation, values in others.items():
        other = fields[relation].related_model
        own[relation] = _row(other, values) if any(value is not None for value in values.values()) else None
    return model(**own)
