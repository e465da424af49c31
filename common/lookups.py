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


class OneOf(Lookup):
    lookup_name = "one_of"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Iterable[Any]) -> None:
        super().__init__(lhs, list(rhs))

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = any(%s)", [*parameters, self.rhs]


def register() -> None:
    """For keys of every kind; called once, when the apps are ready."""
    models.Field.register_lookup(OneOf)
    models.ForeignKey.register_lookup(OneOf)
