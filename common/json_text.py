"""JSON that only our own code looks into, kept as the text it came as.

jsonb is taken apart when it is written and put together when it is read, and compressed besides: four fifths of what
storing a body of 3 KB costs PostgreSQL, and of what reading it does (bench/README.md). Who wants to ask inside casts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from common.text import loads


def dumps(value: Any) -> bytes:
    """JSON; numbers that do not fit 64 bits included."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


class _ParsedWhenRead(DeferredAttribute):
    """The field's value; parsed only now if the row came with its text, as most rows are never looked into."""

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        text = None if instance is None else instance.__dict__.pop(_unread(self.field.attname), None)
        if instance is None or text is None:
            return super().__get__(instance, cls)
        value = instance.__dict__[self.field.attname] = loads(text)
        return value


def _unread(name: str) -> str:
    return f"{name} as text"


def leave_unread(row: models.Model, name: str) -> None:
    """Turn the text that stands in a row for a field into its value, once somebody asks for it."""
    text = row.__dict__[name]
    if text is not None:
        del row.__dict__[name]
        row.__dict__[_unread(name)] = text


def says(row: models.Model, name: str, value: Any) -> bool:
    """Is this the field's value? Texts are compared where they can be, which takes less than reading one."""
    text = row.__dict__.get(_unread(name)) if name not in row.__dict__ else None
    if text is None or dumps(value) != text.encode():
        return bool(getattr(row, name) == value)
    setattr(row, name, value)
    return True


if TYPE_CHECKING:
    # Its values are any JSON to whoever reads them.
    _Text = models.JSONField
else:
    _Text = models.TextField


class JSONTextField(_Text):
    """Any JSON value, or None for no value at all."""

    descriptor_class = _ParsedWhenRead

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return None if value is None else loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None or hasattr(value, "resolve_expression") else dumps(value).decode()

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)
