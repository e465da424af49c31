"""What imports left underived, made in pages: each page and its marks are one transaction."""

from __future__ import annotations

import logging
import time

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from common.due import MAX_CLAIMS
from connections import deferring, derivation_pages, failed_derivations
from connections.inbox import Moved, fenced
from connections.models import Underived
from connections.underived import LEASE, due

logger = logging.getLogger(__name__)
DRAIN_SECONDS = 20
PAGE = 600


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Derive what is due until there is nothing or the time is up. Returns how many pages were written."""
    ends = time.monotonic() + seconds
    pages = 0
    # Accounts of which nothing is left, or others are at all that is.
    done: set[int] = set()
    account: int | None = None
    while time.monotonic() < ends:
        account = account or due().exclude(connection__in=done).values_list("connection", flat=True).first()
        if account is None:
            break
        try:
            if not _work(account):
                done.add(account)
                account = None
                continue
        except Moved:
            break
        except Exception:
            # The marks are still there, one try nearer to being worked alone; the next ring goes on.
            logger.exception("A page of what an import left could not be derived")
            break
        pages += 1
    return pages


def _work(connection_id: int) -> bool:
    """A page of an account. False if others are at all of it."""
    page = _begun(connection_id)
    suspects = {key for key, tries in page.items() if tries > MAX_CLAIMS}
    try:
        if suspects:
            _hand_over(connection_id, suspects)
        elif page:
            derivation_pages.write(lambda is_last: _write(connection_id, set(page), is_last))
    finally:
        _release(connection_id, page)
    return bool(page)


def _release(connection_id: int, page: dict[str, int]) -> None:
    """What was not taken away is free again at once; of a killed worker it is when the lease is over.

    Marks that another worker has begun since have one try more.
    """
    for tries in set(page.values()):
        keys = [key for key, begun in page.items() if begun == tries]
        left = Underived.objects.filter(connection=connection_id, key__one_of=keys, tries=tries)
        left.update(lease_until=None)


def _begun(connection_id: int) -> dict[str, int]:
    """The next marks, by key, and how often a page was begun with them, this one included: of whole customers as a
    rule, so that two workers seldom meet at one; a single customer may fill the page.

    Committed before anything is done: a page that takes its worker along, or fails as a whole, leaves that behind.
    """
    with transaction.atomic():
        mine = due().filter(connection=connection_id).select_for_update(skip_locked=True, of=("self",))
        found = list(mine[:PAGE])
        is_cut = len(found) == PAGE and found[0].owner != found[-1].owner
        page = {mark.pk: mark for mark in found if not (is_cut and mark.owner == found[-1].owner)}
        Underived.objects.filter(pk__one_of=page).update(tries=F("tries") + 1, lease_until=Now() + LEASE)
    return {mark.key: mark.tries + 1 for mark in page.values()}


def _write(connection_id: int, keys: set[str], is_last: bool) -> None:
    connection = fenced(connection_id)
    derivation_pages.derive(connection, deferring.taken(connection, keys), is_last=is_last)


def _hand_over(connection_id: int, keys: set[str]) -> None:
    """Marks whose pages came to nothing, however often: each is tried alone from now on, by a schedule that ends."""
    with transaction.atomic():
        connection = fenced(connection_id)
        failed_derivations.keep(connection, deferring.taken(connection, keys))
