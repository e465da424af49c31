"""Small pieces of the screens: icons, badges, avatars, numbers and times. Markup of the larger ones: docs/ui.md."""

from __future__ import annotations

import re
import zlib
from datetime import date, datetime, timedelta
from typing import Any

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal
from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from common.formats import amounts_as_read, reader_locale

register = template.Library()

BADGES = frozenset({"ok", "warn", "bad", "info", "neutral"})
AVATAR_TINTS = 6


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """`{% icon "users" %}` beside words; with a label when it stands alone and is not inside a named button."""
    meaning = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="icon" width="16" height="16" {}><use href="{}#{}"/></svg>', meaning, static("img/icons.svg"), name
    )


@register.simple_tag
def badge(kind: str, word: str, dot: bool = True) -> SafeString:
    """`{% badge "ok" "Active" %}`. Kinds: ok, warn, bad, info, neutral. Without a dot for what is no status."""
    if kind not in BADGES:
        raise template.TemplateSyntaxError(f"unknown badge {kind!r}; there are {', '.join(sorted(BADGES))}")
    look = "" if kind == "neutral" else f" badge--{kind}"
    return format_html('<span class="badge{}">{}</span>', look + ("" if dot else " badge--plain"), word)


@register.simple_tag
def avatar(who: Any, size: str = "") -> SafeString:
    """Initials on a tint that stays the same for the same name. Takes text or anything with text or `initials`."""
    name = str(who)
    tint = zlib.crc32(name.encode()) % AVATAR_TINTS + 1
    look = f"avatar avatar--{tint}" + (f" avatar--{size}" if size else "")
    return format_html(
        '<span class="{}" aria-hidden="true">{}</span>', look, getattr(who, "initials", "") or initials(name)
    )


@register.filter
def initials(name: str) -> str:
    """Of the first word and the last one; one letter for a single word or an email address."""
    words = [word for word in str(name).partition("@")[0].split() if word[0].isalnum()] or ["?"]
    return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()


@register.filter
def breakable(text: str) -> SafeString:
    """Lets a long name such as `customer.subscription.updated` or an address break after its signs, not in a word."""
    return SafeString(re.sub(r"([._@])", r"\1<wbr>", escape(text)))


@register.filter
def number(value: float | None) -> str:
    """With the separators of the reader's language; a dash for nothing."""
    return "–" if value is None else format_decimal(value, locale=reader_locale())


@register.filter
def amounts(sentence: str) -> str:
    """A stored sentence with its amounts as the reader writes them: «Order of €49.00 paid»."""
    return amounts_as_read(sentence)


@register.simple_tag
def can_send_mail() -> bool:
    """Whether links to a forgotten password can be sent at all."""
    return bool(settings.EMAIL_URL)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """«12 seconds ago» under a day, then the date; the exact time in the title."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"),
        format_datetime(local, "long", locale=reader_locale()),
        _relative(local),
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Date and time to the second, in the reader's language and zone."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    text = format_datetime(local, "medium", locale=reader_locale())
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), text)


@register.filter
def day(value: date | datetime | None) -> SafeString | str:
    """The date alone, in the reader's language and zone."""
    if value is None:
        return "–"
    shown = timezone.localtime(value) if isinstance(value, datetime) else value
    return format_html(
        '<time datetime="{}">{}</time>', value.isoformat(), format_date(shown, "medium", locale=reader_locale())
    )


def _relative(local: datetime) -> str:
    passed = timezone.now() - local
    if abs(passed) >= timedelta(days=1):
        return format_date(local, "medium", locale=reader_locale())
    if timedelta(0) <= passed < timedelta(seconds=1):
        return "now"
    return format_timedelta(-_whole_units(passed), add_direction=True, threshold=1.0, locale=reader_locale())


def _whole_units(passed: timedelta) -> timedelta:
    """Cut down to whole hours, minutes or seconds: Babel rounds, and after 59 minutes and a half it is not 60 yet."""
    seconds = abs(int(passed.total_seconds()))
    unit = next(unit for unit in (3600, 60, 1) if seconds >= unit or unit == 1)
    return timedelta(seconds=seconds // unit * unit * (1 if passed > timedelta(0) else -1))
