"""Stripe's list of events in slices of time, oldest first. Asks nothing of the database.

Stripe lists the newest first. To keep what is behind us, however much lies ahead, a long list is cut into slices that
fit into memory, and read from its old end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from connections.sources.base import Json
from connections.sources.stripe import shapes
from connections.sources.stripe.client import PAGE, Client

# As many events as a statement stores best, and a megabyte or two of them.
MOST_PAGES = 5


@dataclass(frozen=True)
class Slice:
    """Events of a stretch of time as JSON, oldest first.

    `until`: where the next slice begins; None if this is the newest. `asked_at`: Stripe's clock when we asked, and
    `started` ours.
    """

    bodies: list[bytes]
    until: datetime | None
    asked_at: datetime
    started: datetime

    def stripe_now(self) -> datetime:
        """Stripe's clock now."""
        return self.asked_at + (datetime.now(UTC) - self.started)


@dataclass
class _Reading:
    """What a request for `seconds` from `start` on gave; for all there is without `seconds`."""

    start: int
    seconds: int | None
    bodies: list[bytes]
    asked_at: datetime
    started: datetime
    is_cut: bool = False
    newest: datetime | None = None
    oldest: datetime | None = None

    @property
    def shorter(self) -> int:
        """Seconds of a slice that should be no more than fits."""
        half = (self.seconds or int(self.asked_at.timestamp()) - self.start) // 2
        if self.newest and self.oldest:
            half = min(half, int((self.newest - self.oldest).total_seconds()))
        return max(1, half)

    @property
    def until(self) -> datetime | None:
        end = self.start + (self.seconds or 0)
        return datetime.fromtimestamp(end, UTC) if self.seconds and end <= self.asked_at.timestamp() else None


def slices(client: Client, since: datetime, reads_on: Callable[[], object]) -> Iterator[Slice]:
    """All events since then. Nearly always they are few, and one slice. SourceError as the client raises it.

    `reads_on` is called before each further page.
    """
    start, seconds = int(since.timestamp()), None
    while True:
        reading = _read(client, start, seconds, reads_on)
        if reading.is_cut:
            seconds = reading.shorter
            continue
        yield Slice(reading.bodies[::-1], reading.until, reading.asked_at, reading.started)
        if reading.until is None:
            return
        assert seconds  # noqa: S101  only a slice with an end has another behind it
        start += seconds
        if len(reading.bodies) < PAGE:
            seconds *= 2


def _read(client: Client, start: int, seconds: int | None, reads_on: Callable[[], object]) -> _Reading:
    """A slice, or as much of it as fits. Of a single second everything is read."""
    created = {"gte": start, "lt": start + seconds} if seconds else {"gte": start}
    reading, started = None, datetime.now(UTC)
    for number, page in enumerate(client.pages("/v1/events", created=created)):
        reading = reading or _Reading(start, seconds, [], page.asked_at, started)
        if number == MOST_PAGES and seconds != 1:
            reading.is_cut = True
            return reading
        _add(reading, [event for event in page.data.get("data") or [] if isinstance(event, dict)])
        if page.data.get("has_more"):
            reads_on()
    assert reading  # noqa: S101  a list has a first page
    return reading


def _add(reading: _Reading, events: list[Json]) -> None:
    reading.bodies += [json.dumps(event, ensure_ascii=True, separators=(",", ":")).encode() for event in events]
    if events:
        reading.newest = reading.newest or shapes.moment(events[0].get("created"))
        reading.oldest = shapes.moment(events[-1].get("created")) or reading.oldest
