"""Dates as people say them, as half-open ranges. Days begin at midnight in the workspace's time zone."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone

Days = tuple[date | None, date | None]
Range = tuple[datetime | None, datetime | None]
_DAY = timedelta(days=1)


def days(operator: str, value: Any, today: date) -> Days:
    """[first day, day after the last); None where it is open. «Within the next 7 days» are today and seven more."""
    return _DAYS[operator](value, today)


def moments(operator: str, value: Any, now: datetime) -> Range:
    """[from, until) for a field with a time of day. «Within the next» begins now, «within the last» ends now."""
    zone = timezone.get_default_timezone()
    first, end = days(operator, value, now.astimezone(zone).date())
    since, until = _midnight(first), _midnight(end)
    return (now if operator == "within_next" else since, now if operator == "within_last" else until)


def shifted(day: date, span: dict[str, Any], sign: int) -> date:
    """The day so many days, weeks or months later (`sign` 1) or earlier (-1); 31 January + 1 month is 28 February."""
    count = sign * int(span["count"])
    if span["unit"] == "months":
        months = day.year * 12 + day.month - 1 + count
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return day + timedelta(days=count * (7 if span["unit"] == "weeks" else 1))


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time.min, timezone.get_default_timezone()) if day else None


def _day(value: str) -> date:
    return date.fromisoformat(value)


def _one(day: date) -> Days:
    return day, day + _DAY


_DAYS: dict[str, Callable[[Any, date], Days]] = {
    "on": lambda value, today: _one(_day(value)),
    "before": lambda value, today: (None, _day(value)),
    "after": lambda value, today: (_day(value) + _DAY, None),
    "between": lambda value, today: (_day(value["from"]), _day(value["to"]) + _DAY),
    "today": lambda value, today: _one(today),
    "within_next": lambda value, today: (today, shifted(today, value, 1) + _DAY),
    "within_last": lambda value, today: (shifted(today, value, -1), today + _DAY),
    "more_than_ago": lambda value, today: (None, shifted(today, value, -1)),
    "more_than_ahead": lambda value, today: (shifted(today, value, 1) + _DAY, None),
    "exactly_ago": lambda value, today: _one(shifted(today, value, -1)),
    "exactly_ahead": lambda value, today: _one(shifted(today, value, 1)),
}
