"""Values of contacts' fields as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from babel.numbers import format_decimal
from django.utils.html import format_html
from django.utils.safestring import SafeString

from common.fields import Field, FieldType
from common.templatetags.ui import breakable, day, moment


def show(value: Any, field: Field) -> Any:
    """A stored value as people read it."""
    if value is None or value == "":
        return ""
    if field.type == FieldType.BOOLEAN:
        return "Yes" if value is True else "No" if value is False else value
    if field.type == FieldType.NUMBER and isinstance(value, int | float):
        return format_decimal(value, format="#,##0.##########", locale="en")
    if field.type in (FieldType.DATE, FieldType.DATETIME):
        return _date(value, field)
    return format_html('<span dir="auto">{}</span>', breakable(value) if field.type == FieldType.EMAIL else value)


def _date(value: Any, field: Field) -> SafeString | str:
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return day(parsed.date()) if field.type == FieldType.DATE else moment(parsed)
