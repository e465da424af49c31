"""Amounts and times as text in the reader's language, where a sentence or a table needs text and not markup."""

from __future__ import annotations

from copy import copy
from datetime import date, datetime

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.units import format_unit
from django.utils import timezone
from django.utils.translation import get_language, to_locale

from common.money import digits, to_major


def reader_locale() -> Locale:
    """The language of the page at hand; English where none is set or nobody knows it."""
    try:
        return Locale.parse(to_locale(get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def money_text(minor: int, currency: str) -> str:
    """4900, "EUR" -> «€49.00» or «49,00 €». With the currency's digits at Stripe, which differ from CLDR's for some."""
    locale, places = reader_locale(), digits(currency)
    pattern = copy(locale.currency_formats["standard"])
    pattern.frac_prec = (places, places)
    value = to_major(minor, currency)
    return str(pattern.apply(value, locale, currency=currency.upper() or "XXX", currency_digits=False))


def day_text(value: date | datetime) -> str:
    """The date alone, in the reader's language and zone."""
    shown = timezone.localtime(value) if isinstance(value, datetime) else value
    return format_date(shown, "medium", locale=reader_locale())


def duration_text(count: int, unit: str) -> str:
    """3, "month" -> «3 months». Units: day, week, month, year."""
    return format_unit(count, f"duration-{unit}", locale=reader_locale())


def country_name(code: str) -> str:
    """ "ES" -> «Spain»; a code nobody knows stays as it is, as does a name."""
    return reader_locale().territories.get(code.strip().upper()) or code
