"""Events that have waited for more than an hour: since when, how many, and why, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import JSONField
from django.db.models.expressions import RawSQL

from common import health, heartbeat
from common.formats import took_text

# Of each sort at most so many are counted; reading them stays cheap however many there are.
COUNTED = 1000
# Each part begins where an index begins, so that a burst, in which nothing has waited for long, is not read.
_OVERDUE = f"""
    with overdue as (
        (select 'queued' as sort, next_attempt_at as since, '' as key from connections_inboundevent
         where connection_id = connections_connection.id and state = 'due'
           and next_attempt_at < now() - interval '1 hour' order by next_attempt_at limit %s)
        union all
        (select 'queued', next_attempt_at, '' from connections_inboundevent
         where connection_id = connections_connection.id and state = 'running'
           and lease_until < now() - interval '1 hour' order by lease_until limit %s)
        union all
        (select 'failing', received_at, '' from connections_inboundevent
         where connection_id = connections_connection.id and state = 'due' and next_attempt_at > now()
           and attempts > 0 and replays = 0 and received_at < now() - interval '1 hour'
         order by next_attempt_at limit %s)
        union all
        (select 'wanting', next_attempt_at, waits_for[1] from (
            select next_attempt_at, waits_for from connections_inboundevent
            where connection_id = connections_connection.id and state = 'waiting'
              and occurred_at < now() - interval '1 hour' order by occurred_at limit %s) as oldest
         where next_attempt_at < now() - interval '1 hour')
    ), wanted as (
        select key from overdue where sort = 'wanting' order by since limit 1
    )
    select jsonb_build_object(
        'since', (select min(since) from overdue),
        'queued', (select count(*) from overdue where sort = 'queued'),
        'failing', (select count(*) from overdue where sort = 'failing'),
        'wanting', (select count(*) from overdue where sort = 'wanting'),
        'key', (select key from wanted),
        'refusal', (select held.wanted_error from connections_remoteobject as held, wanted
            where held.connection_id = connections_connection.id and held.type = split_part(wanted.key, ':', 1)
              and held.external_id = substr(wanted.key, strpos(wanted.key, ':') + 1)),
        'inbox', ({heartbeat.SILENCE}),
        'stripe', ({heartbeat.SILENCE}))
    from (select) as one_row
"""  # noqa: S608  nothing of a user's is in it


@dataclass(frozen=True)
class Overdue:
    """How many wait for over an hour, at most COUNTED of each sort: `queued` ones that nobody has begun, `failing` ones
    that are tried again, `wanting` ones that need an object which is not read yet.

    `since`: when the longest wait began: when it came, or was last due or looked at. `key`, `refusal`: an object that
    is wanted, and why it was not read at the last try. `inbox`, `stripe`: how long no worker of that queue has looked;
    None if none ever has.
    """

    since: datetime | None = None
    queued: int = 0
    failing: int = 0
    wanting: int = 0
    key: str = ""
    refusal: str = ""
    inbox: timedelta | None = None
    stripe: timedelta | None = None

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """From what `annotation` reads."""
        return cls(
            since=datetime.fromisoformat(found["since"]) if found["since"] else None,
            queued=found["queued"],
            failing=found["failing"],
            wanting=found["wanting"],
            key=found["key"] or "",
            refusal=found["refusal"] or "",
            inbox=_duration(found["inbox"]),
            stripe=_duration(found["stripe"]),
        )

    @property
    def number(self) -> int:
        return self.queued + self.failing + self.wanting

    @property
    def shown(self) -> str:
        """The number in words, with a plus where there are more than were counted."""
        more = "+" if max(self.queued, self.failing, self.wanting) >= COUNTED else ""
        return f"{self.number:,}{more}"

    @property
    def causes(self) -> list[str]:
        """A sentence for each sort that there is."""
        sorts = ((self.queued, self._queued), (self.wanting, self._wanting), (self.failing, self._failing))
        return [words for number, words in sorts if number]

    @property
    def _queued(self) -> str:
        if (silence := _silence(self.inbox)) is not None:
            return f"No worker {silence} the inbox. Nothing is applied until one runs: tell who runs this installation."
        return "The workers are busy with other events, and come to these after them."

    @property
    def _failing(self) -> str:
        return "What Millrace could not apply is tried again by itself; the list of waiting events says why and when."

    @property
    def _wanting(self) -> str:
        kind, _, external_id = self.key.partition(":")
        who = "Some need" if self.number > self.wanting else "They need" if self.wanting > 1 else "It needs"
        needed = f"{who} what is read from Stripe first, such as {kind.replace('_', ' ')} {external_id}"
        if self.refusal:
            return f"{needed}, which could not be read yet: {self.refusal}"
        if (silence := _silence(self.stripe)) is not None:
            return f"{needed}, but no worker {silence} what is to be read: tell who runs this installation."
        return f"{needed}, whose turn has not come yet."


def annotation() -> RawSQL:
    """For a query of connections, so that a page needs no further one."""
    limits = [COUNTED] * 4
    return RawSQL(_OVERDUE, [*limits, "inbox", "stripe"], output_field=JSONField())  # noqa: S611  nothing of a user's


def _silence(silence: timedelta | None) -> str | None:
    """How long nobody has looked, in words; None if somebody does."""
    if silence is None:
        return "has ever looked at"
    return f"has looked for {took_text(silence)} at" if silence > health.SILENCE else None


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
