"""The fields of a kind of record that sources bring: who fills them, and how one row's values are shown to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from babel.dates import format_datetime
from babel.numbers import format_decimal
from django.utils import timezone
from django.utils.translation import gettext

from common.fields import FieldType
from common.formats import day_text, money_text, reader_locale

STRIPE, PAYPAL, WOOCOMMERCE, API = "stripe", "paypal", "woocommerce", "api"
SOURCES = {STRIPE: "Stripe", PAYPAL: "PayPal", WOOCOMMERCE: "WooCommerce", API: "API store"}
DASH = "–"


def source_name(source: str) -> str:
    return SOURCES.get(source, source.capitalize())


@dataclass(frozen=True)
class RecordField:
    """`key` is stable. MONEY is in the smallest unit of the row's currency. `look`: id, country, link…

    `sources` are those that can fill it.
    """

    key: str
    label: str
    type: FieldType = FieldType.TEXT
    section: str = "Identity"
    sources: tuple[str, ...] = tuple(SOURCES)
    look: str = ""

    @property
    def source_names(self) -> list[str]:
        return [SOURCES[source] for source in self.sources]


@dataclass(frozen=True)
class Shown:
    """A field of one row as the page shows it. `exact` is the time behind a date; `url` makes the text a link."""

    field: RecordField
    text: str
    exact: str = ""
    machine: str = ""
    url: str = ""
    bad: bool = False
    empty: bool = False


def is_empty(value: Any) -> bool:
    """Whether there is nothing to show. No and 0 are answers, not gaps."""
    return value is None or value == "" or value == []


def as_text(field: RecordField, value: Any, currency: str) -> str:
    """The value as people read it, by its type: «€49.00», «Dec 1, 2026», «Yes», «1,200»; a dash for nothing."""
    if is_empty(value):
        return DASH
    match field.type:
        case FieldType.MONEY:
            return money_text(value, currency)
        case FieldType.DATETIME | FieldType.DATE:
            return day_text(value)
        case FieldType.BOOLEAN:
            return gettext("Yes") if value else gettext("No")
        case FieldType.LIST:
            return ", ".join(value)
        case FieldType.NUMBER:
            return format_decimal(value, locale=reader_locale())
    return str(value)


def shown(field: RecordField, value: Any, text: str, *, bad: bool = False) -> Shown:
    """`text` with what lies behind the value. Whatever a source says, only an address of the web becomes a link."""
    if isinstance(value, datetime):
        exact = format_datetime(timezone.localtime(value), "long", locale=reader_locale())
        return Shown(field, text, exact, value.isoformat(timespec="seconds"))
    url = value if field.look == "link" and str(value).startswith("https://") else ""
    return Shown(field, text, url=url, bad=bad, empty=is_empty(value))


def split(values: Iterable[Shown]) -> tuple[list[Shown], list[Shown]]:
    """(those with a value, the empty ones), both in the order given."""
    filled: list[Shown] = []
    empty: list[Shown] = []
    for value in values:
        (empty if value.empty else filled).append(value)
    return filled, empty
