"""`field__one_of=values`: as `__in`, sent as one array.

`__in` writes each value into the statement, which Django, the driver and PostgreSQL each read in full: with a thousand
values that takes longer than the question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models.lookups import Lookup

from common import rows


class OneOf(Lookup):
    lookup_name = "one_of"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Iterable[Any]) -> None:
        super().__init__(lhs, list(rhs))

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        values = [str(value) for value in self.rhs if value is not None]
        if not values:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        field = self.lhs.output_field
        kind = getattr(field, "target_field", field).db_type(connection).partition("(")[0]
        # As one text: the driver would quote each value by itself.
        return f"{column} = any(%s::{kind}[])", [*parameters, rows.literal(values)]


def register() -> None:
    """For keys of every kind; called once, when the apps are ready."""
    models.Field.register_lookup(OneOf)
    models.ForeignKey.register_lookup(OneOf)
