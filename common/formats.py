"""Amounts and times as text in the reader's language, where a sentence or a table needs text and not markup."""

from __future__ import annotations

import re
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.units import format_unit
from django.utils import timezone
from django.utils.translation import get_language, to_locale

from common.money import digits, to_major, to_minor

# Where CLDR puts a space between the code of a currency and its amount, which Babel does not.
_LETTER_BY_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
# As stored sentences name it: «49.00 EUR».
_STORED_AMOUNT = re.compile(r"(?<![\w.,])(\d{1,15}(?:\.(\d{2,3}))?) ([A-Z]{3})(?!\w)", re.ASCII)


def reader_locale() -> Locale:
    """The language of the page at hand; English where none is set or nobody knows it."""
    try:
        return Locale.parse(to_locale(get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def money_text(minor: int, currency: str) -> str:
    """4900, "EUR" -> «€49.00» or «49,00 €»; «KWD 1.250». With the currency's digits at Stripe, which differ from CLDR's
    for some.
    """
    locale, places = reader_locale(), digits(currency)
    pattern = copy(locale.currency_formats["standard"])
    pattern.frac_prec = (places, places)
    value = to_major(minor, currency)
    text = str(pattern.apply(value, locale, currency=currency.upper() or "XXX", currency_digits=False))
    return _LETTER_BY_DIGIT.sub("\xa0", text)


def amounts_as_read(sentence: str) -> str:
    """«Order of 4900.00 EUR paid» -> «Order of €4,900.00 paid».

    Sentences are stored for readers of any language, with the amount and the code of its currency; only where people
    read them do they look like any other amount. What has not the decimals of the currency was no amount of ours.
    """
    return _STORED_AMOUNT.sub(_amount_as_read, sentence)


def _amount_as_read(found: re.Match[str]) -> str:
    amount, decimals, code = found.groups()
    if code not in reader_locale().currencies or len(decimals or "") != digits(code):
        return found[0]
    return money_text(to_minor(Decimal(amount), code), code)


def day_text(value: date | datetime) -> str:
    """The date alone, in the reader's language and zone."""
    shown = timezone.localtime(value) if isinstance(value, datetime) else value
    return format_date(shown, "medium", locale=reader_locale())


def duration_text(count: int, unit: str) -> str:
    """3, "month" -> «3 months». Units: day, week, month, year."""
    return format_unit(count, f"duration-{unit}", locale=reader_locale())


def took_text(took: timedelta) -> str:
    """How long something took, as people say it: «0.4 s», «12 s», «3 min», «2 h», «5 days»."""
    seconds = max(0.0, took.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    for unit, size, limit in (("min", 60, 100), ("h", 3600, 48)):
        if seconds < size * limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def country_name(code: str) -> str:
    """ "ES" -> «Spain»; a code nobody knows stays as it is, as does a name."""
    return reader_locale().territories.get(code.strip().upper()) or code
