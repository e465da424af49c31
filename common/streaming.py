"""Many rows, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

PAGE = 500
Row = TypeVar("Row", bound=Model)


def by_key(rows: QuerySet[Row]) -> Iterator[Row]:
    """All rows in order of their key, read in pages: memory stays constant, and no transaction or cursor stays open
    while a slow reader reads.
    """
    rows, last = rows.order_by("pk"), 0
    while page := list(rows.filter(pk__gt=last)[:PAGE]):
        yield from page
        last = page[-1].pk
