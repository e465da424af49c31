"""Billing periods on the calendar."""

import calendar
from datetime import UTC, datetime

SECONDS = {"day": 86400, "week": 7 * 86400}


def after(moment: int, interval: str, count: int) -> int:
    """`count` days, weeks, months or years after Unix `moment`; the 31st becomes a shorter month's last day."""
    if interval in SECONDS:
        return moment + count * SECONDS[interval]
    start = datetime.fromtimestamp(moment, UTC)
    months = start.year * 12 + start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())
