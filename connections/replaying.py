"""Every event that a filter of the log shows, or that is named by type and time, applied again: page by page, behind
what arrives meanwhile.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now
from django.http import QueryDict

from common.due import LEASE, State
from connections import stored_events
from connections.filters import LogFilter
from connections.models import BulkReplay, Connection, InboundEvent, SyncLogEntry
from connections.models.bulk_replay import EVENTS, OF

PAGE = 500
# While more than this is due, the next page waits: what people do now comes first.
MOST_DUE = 1000
DRAIN_SECONDS = 20
_PAUSE = timedelta(seconds=2)


def replayable(chosen: dict[str, str]) -> QuerySet[SyncLogEntry]:
    """Rows of the log under a filter whose event can be applied again; of an event only its newest row."""
    query = QueryDict(mutable=True)
    query.update(chosen)
    rows: QuerySet[SyncLogEntry] = LogFilter(query, SyncLogEntry.objects.all()).qs
    event = InboundEvent.objects.filter(
        pk=OuterRef("inbound"),
        replays=OuterRef("replay"),
        body__isnull=False,
        connection__in=Connection.objects.connected(),
    ).exclude(stored_events.in_hand())
    return rows.filter(Exists(event)).order_by()


def replayable_events(type_: str, since: datetime | None) -> QuerySet[InboundEvent]:
    """Events of a type ("" for all) that happened since, which can be applied again; also those that wrote no row."""
    events = InboundEvent.objects.filter(connection__in=Connection.objects.connected(), body__isnull=False)
    if type_:
        events = events.filter(type=type_)
    if since:
        events = events.filter(occurred_at__gte=since)
    return events.exclude(stored_events.in_hand())


def begin_events(type_: str, since: datetime | None, found: int) -> BulkReplay:
    """Ask for the events that `replayable_events` gives, of those held now."""
    chosen = {OF: EVENTS, "event_type": type_, "happened_since": since.isoformat() if since else ""}
    newest = InboundEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return BulkReplay.objects.create(filter=chosen, found=found, until_id=newest)


def begin(chosen: dict[str, str], found: int, user: Any) -> BulkReplay:
    """Ask for what the filter shows up to now; what it shows later is not meant."""
    newest = SyncLogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return BulkReplay.objects.create(filter=chosen, found=found, until_id=newest, started_by=user)


def stop(replay: BulkReplay) -> bool:
    """End it; what was handed to the queue is still applied."""
    open_ = BulkReplay.objects.filter(pk=replay.pk, finished_at=None)
    return bool(open_.update(state=State.DONE, claim_no=F("claim_no") + 1, lease_until=None, finished_at=Now()))


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Hand pages to the inbox until nothing is asked, the inbox is full, or the time is up. Returns how many pages."""
    ends = time.monotonic() + seconds
    pages = 0
    while time.monotonic() < ends:
        _release_expired()
        claimed = BulkReplay.objects.claim(1)
        if not claimed:
            break
        replay: BulkReplay = claimed[0]
        if _is_full():
            replay.later(_PAUSE)
            break
        while replay.state == State.RUNNING and time.monotonic() < ends and _page(replay):
            pages += 1
        if replay.state == State.RUNNING:
            replay.later(timedelta(0))
    return pages


@transaction.atomic
def _release_expired() -> None:
    gone = BulkReplay.objects.release_expired()
    BulkReplay.objects.filter(pk__in=gone).update(finished_at=Now())


def _page(replay: BulkReplay) -> bool:
    """One page and its cursor in one transaction. False if it has passed to somebody else, or the inbox is full."""
    with transaction.atomic():
        mine = BulkReplay.objects.get_queryset().select_for_update(no_key=True)
        if not mine.filter(pk=replay.pk, claim_no=replay.claim_no, state=State.RUNNING).exists():
            replay.state = State.WAITING
            return False
        page = _next_rows(replay)
        count = stored_events.replay_ids([event for _, event in page])
        more = len(page) == PAGE
        replay.after_id = page[-1][0] if page else replay.until_id
        replay.replayed += count
        replay.state = State.RUNNING if more else State.DONE
        BulkReplay.objects.filter(pk=replay.pk).update(
            after_id=replay.after_id,
            replayed=replay.replayed,
            state=replay.state,
            claims=1 if more else 0,
            lease_until=Now() + LEASE if more else None,
            finished_at=None if more else Now(),
        )
    if more and _is_full():
        replay.later(_PAUSE)
        replay.state = State.DUE
    return True


def _is_full() -> bool:
    """Is so much due in the inbox that more has to wait? What failed and is tried again later keeps nothing back."""
    return InboundEvent.objects.due()[: MOST_DUE + 1].count() > MOST_DUE


def _next_rows(replay: BulkReplay) -> list[tuple[int, int]]:
    """(where the cursor then stands, the event) of the next page."""
    chosen, reach = replay.filter, {"pk__gt": replay.after_id, "pk__lte": replay.until_id}
    if chosen.get(OF) == EVENTS:
        since = datetime.fromisoformat(chosen["happened_since"]) if chosen["happened_since"] else None
        events = replayable_events(chosen["event_type"], since).filter(**reach).order_by("pk")
        return [(pk, pk) for pk in events.values_list("pk", flat=True)[:PAGE]]
    return list(replayable(chosen).filter(**reach).order_by("pk").values_list("pk", "inbound")[:PAGE])
