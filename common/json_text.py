"""JSON that only our own code looks into, kept as the text it came as.

jsonb is taken apart when it is written and put together when it is read, and compressed besides: four fifths of what
storing a body of 3 KB costs PostgreSQL, and of what reading it does (bench/README.md). Who wants to ask inside casts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
from django.db import models

from common.text import loads


def dumps(value: Any) -> bytes:
    """JSON; numbers that do not fit 64 bits included."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


if TYPE_CHECKING:
    # Its values are any JSON to whoever reads them.
    _Text = models.JSONField
else:
    _Text = models.TextField


class JSONTextField(_Text):
    """Any JSON value, or None for no value at all."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return None if value is None else loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None or hasattr(value, "resolve_expression") else dumps(value).decode()

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)
