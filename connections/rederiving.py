"""What thousands of subscriptions share has changed: their recurring payments made anew in pages, each a transaction.

What follows from a change is walked in order of the subscriptions' rows, so a killed worker repeats at most a page,
and a subscription that changes meanwhile derives itself from the change, too.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from common.due import LEASE, DueQuerySet, State, database_now
from common.origin import Origin
from connections import derivation_pages, naming, refusals, underived
from connections.derived import PAGE, Told
from connections.inbox import Moved, fenced
from connections.models import Connection, Rederivation
from connections.models.rederivation import EVERY_SUBSCRIPTION

logger = logging.getLogger(__name__)
DRAIN_SECONDS = 20
# Subscriptions found with one look. It reads all that name the object, so looking for each page by itself would take
# the square of their number.
AHEAD = 10_000
_REST = timedelta(seconds=1)
Found = list[tuple[int, str]]


def begin(connection: Connection) -> None:
    """Have every recurring payment of a connection made anew; nobody is told. For the transaction of the change."""
    now = database_now()
    key = f"{connection.pk}:rederive:{now.timestamp():.6f}"
    told = {"occurred_at": now, "origin": Origin.USER, "key": key, "silent": True}
    Rederivation.objects.create(connection=connection, shared=EVERY_SUBSCRIPTION, **told)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Walk due rows until there are none or the time is up. Returns how many pages were written."""
    ends = time.monotonic() + seconds
    pages = 0
    while time.monotonic() < ends:
        for pk in Rederivation.objects.release_expired():
            logger.error("What follows from a change could not be derived", extra={"rederivation": pk})
        claimed = walkable().claim(1)
        if not claimed:
            break
        pages += _walk(claimed[0], ends)
    return pages


def walkable() -> DueQuerySet[Rederivation]:
    """Walks of connected accounts; those of others rest until somebody connects them again."""
    return Rederivation.objects.get_queryset().filter(connection__in=Connection.objects.connected())


def _walk(row: Rederivation, ends: float) -> int:
    pages = 0
    ahead: Found = []
    try:
        _take_over_repeated(row)
        while row.state == State.RUNNING:
            _write_page(row, ahead)
            pages += 1
            if time.monotonic() > ends and row.state == State.RUNNING:
                row.later(timedelta(0))
                break
    except Moved:
        row.later(timedelta(0))
    except Exception as error:
        if refusals.passes(error):
            logger.info("The database refused a walk for now, which rests: %r", error)
            row.later(_REST)
            return pages
        logger.exception("What follows from a change could not be derived", extra={"rederivation": row.pk})
        row.failed(code=type(error).__name__, error=f"{type(error).__name__}: {error}")
    return pages


def _take_over_repeated(row: Rederivation) -> None:
    """A walk that begins reads what is committed: later changes of the same object need none of their own."""
    if row.after:
        return
    with transaction.atomic():
        same = Rederivation.objects.filter(
            connection=row.connection_id, shared=row.shared, state=State.DUE, after=0, pk__gt=row.pk
        )
        later = list(same.order_by("pk").select_for_update(skip_locked=True))
        if not later:
            return
        newest = max((row, *later), key=lambda one: (one.occurred_at, one.key))
        mine = Rederivation.objects.filter(pk=row.pk, claim_no=row.claim_no)
        told = {name: getattr(newest, name) for name in ("occurred_at", "origin", "key", "silent")}
        if mine.update(**told):
            for name, value in told.items():
                setattr(row, name, value)
            Rederivation.objects.filter(pk__in=[one.pk for one in later]).delete()


def _write_page(row: Rederivation, ahead: Found) -> None:
    """Derive a page and move the cursor in one transaction. Moved if the walk or the account is no longer ours.

    `ahead`: what this walk has found for the pages to come; the page is taken from it, and what is missing is found.
    """
    if not ahead:
        ahead += _look(row)
    page = ahead[:PAGE]
    left = _left_to_import(row, {key for _, key in page}) if row.silent else set()
    derivation_pages.write(lambda is_last: _write(row, page, left, is_last))
    del ahead[:PAGE]


def _look(row: Rederivation) -> Found:
    """The next subscriptions behind the cursor. Those that come to name the object later derive themselves, or, if they
    were being read before it changed, are found by the last look.
    """
    connection = Connection.objects.get(pk=row.connection_id)
    if row.shared == EVERY_SUBSCRIPTION:
        return naming.every_subscription(connection, AHEAD, row.after)
    return naming.subscriptions(connection, [row.shared], AHEAD, row.after)


@transaction.atomic
def _left_to_import(row: Rederivation, keys: set[str]) -> set[str]:
    """Those that an import has noted, so that they are made later all the same, from what has changed here, too.

    Whoever takes a mark away has locked the object first: of those that are marked while we have the locks nobody has
    begun to read. Only while nobody is to be told: an import would not.
    """
    return underived.marked(fenced(row.connection_id), keys)


def _write(row: Rederivation, page: Found, left: set[str], is_last: bool) -> None:
    connection = fenced(row.connection_id)
    mine = Rederivation.objects.filter(pk=row.pk, claim_no=row.claim_no, state=State.RUNNING)
    if not mine.select_for_update().exists():
        raise Moved
    told = Told(row.occurred_at, Origin(row.origin), row.key, row.silent)
    derivation_pages.derive(connection, {key: told for _, key in page if key not in left}, is_last=is_last)
    _advance(row, [pk for pk, _ in page])


def _advance(row: Rederivation, done: list[int]) -> None:
    # Not a short page: what was committed since the look for it may name the object as it was before.
    if not done:
        row.state = State.DONE
        Rederivation.objects.filter(pk=row.pk).delete()
        return
    row.after = done[-1]
    Rederivation.objects.filter(pk=row.pk).update(
        after=row.after, attempts=0, claims=1, lease_until=Now() + LEASE, last_error="", last_error_code=""
    )
