"""The end of a page of a check: what differs is put right and the cursor moves on, in one transaction."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now

from common.due import LEASE, State
from common.origin import Origin
from connections import catching_up, derived, history_pages, ingest, log, refusals, remote_objects
from connections.derived import Told
from connections.history_windows import Stopped
from connections.inbox import fenced
from connections.incoming import Incoming
from connections.models import Connection, Resource, Sighting, SyncLogEntry, SyncRun, SyncWindow
from connections.sources.base import Translation
from connections.sources.stripe.client import Client

logger = logging.getLogger(__name__)
# After the kind of object in a window's `listing`: those we hold and no list showed.
UNSEEN = ":unseen"
DIFFERED = "Differed from Stripe and was put right."
_CROSSWISE_TRIES = 5
_WALKING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.WAITING)


def write(
    client: Client,
    window: SyncWindow,
    run: SyncRun,
    found: list[Translation],
    differing: list[Translation],
    last: tuple[str, datetime | None] | None,
    more: bool,
) -> None:
    """Put right what differs, and move the cursor, in one transaction: a kill repeats at most this page."""
    behind = history_pages.behind(client, run, differing, {state.key for row in differing for state in row.states})
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                connection = _claimed(window, run)
                last_try = attempt == _CROSSWISE_TRIES
                results = _put_right(connection, run, differing, behind, last=last_try) if differing else []
                _sight(window, run, found)
                if run.kind == SyncRun.Kind.FULL_CHECK:
                    catching_up.read_shared_anew(connection, run, found)
                _advance(window, run, len(found), results, last, more)
            window.attempts = window.unanswered = 0
            return
        except (IntegrityError, OperationalError):
            if attempt == _CROSSWISE_TRIES:
                raise
            time.sleep(0.02 * attempt)


def _claimed(window: SyncWindow, run: SyncRun) -> Connection:
    state, epoch = SyncRun.objects.filter(pk=run.pk).values_list("state", "epoch").get()
    connection = fenced(run.resource.connection_id, epoch)
    mine = SyncWindow.objects.select_for_update().filter(pk=window.pk, claim_no=window.claim_no, state=State.RUNNING)
    if state not in _WALKING or not mine.exists():
        raise Stopped
    return connection


def _put_right(
    connection: Connection, run: SyncRun, differing: list[Translation], behind: list[Translation], *, last: bool
) -> list[str]:
    """Results, one each: a result of the log, or "" for an object whose newer state was known by now.

    What the database refuses and may take the next time is raised, unless this is the `last` try; see refusals.py.
    """
    remote_objects.hold(connection, [state for one in behind for state in one.states], set())
    connected = set(connection.resources.active().values_list("kind", flat=True))
    results = []
    for one in differing:
        try:
            with transaction.atomic():
                if one.record and one.record.resource in connected:
                    results.append(_ingest(connection, run, one))
                else:
                    results.append(_refresh(connection, run, one))
        except Exception as error:
            if refusals.passes(error) or (isinstance(error, IntegrityError) and not last):
                raise
            logger.exception("An object that differs could not be put right")
            reason = f"Millrace could not apply this record ({type(error).__name__})."
            results.append(_log(connection, run, one, SyncLogEntry.Result.FAILED, reason))
    return results


def _ingest(connection: Connection, run: SyncRun, one: Translation) -> str:
    assert one.record  # noqa: S101
    (outcome,) = ingest.ingest(connection, [Incoming(one, Origin.HISTORY, run=run)])
    return outcome.result if one.record.key in outcome.stored and not outcome.waits_for else ""


def _refresh(connection: Connection, run: SyncRun, one: Translation) -> str:
    """An object that records are made of, without a resource of its own; or one that is gone."""
    held = remote_objects.hold(connection, list(one.states), set())
    stored = {state.key for state, verdict in zip(one.states, held.verdicts, strict=True) if verdict in ingest.STORED}
    own = one.states[0]
    if own.key not in stored:
        return ""
    fact = Told(own.as_of, Origin.HISTORY, f"{connection.pk}:{run.word}:{own.key}", silent=True)
    derived.refresh(connection, dict.fromkeys(stored, fact))
    return _log(connection, run, one, SyncLogEntry.Result.UPDATED, DIFFERED)


def _log(connection: Connection, run: SyncRun, one: Translation, result: str, reason: str) -> str:
    own = one.states[0]
    log.write(
        [
            SyncLogEntry(
                pk=log.reserve_ids(1)[0],
                connection=connection,
                resource_kind=own.type if own.type in Resource.Kind.values else "",
                run=run,
                via=Origin.HISTORY,
                object_id=own.external_id,
                result=result,
                reason=reason,
                occurred_at=one.record.occurred_at if one.record else own.as_of,
            )
        ]
    )
    return result


def _sight(window: SyncWindow, run: SyncRun, found: list[Translation]) -> None:
    """Remember what a list showed, where its silence on the others means something."""
    if window.listing.endswith(UNSEEN) or not run.windows.filter(listing=f"{kind_of(window)}{UNSEEN}").exists():
        return
    Sighting.objects.bulk_create(
        [Sighting(run=run, type=t.states[0].type, external_id=t.states[0].external_id) for t in found],
        ignore_conflicts=True,
    )


def _advance(
    window: SyncWindow,
    run: SyncRun,
    compared: int,
    results: list[str],
    last: tuple[str, datetime | None] | None,
    more: bool,
) -> None:
    result = SyncLogEntry.Result
    failed = results.count(result.FAILED)
    repaired = sum(one not in ("", result.FAILED) for one in results)
    counts: dict[str, Any] = {
        "listed": compared,
        "seen": compared,
        "created": results.count(result.CREATED),
        "updated": results.count(result.UPDATED),
        "skipped": results.count(result.SKIPPED),
        "failed": failed,
        "repaired": repaired,
        # A record that came inside another one is none of the rows.
        "unchanged": max(0, compared - len(results)),
    }
    SyncRun.objects.filter(pk=run.pk).update(
        # A cancel that came while the page was written stands.
        state=Case(When(state__in=_WALKING, then=Value(SyncRun.State.RUNNING)), default=F("state")),
        **{name: F(name) + count for name, count in counts.items()},
    )
    if last:
        window.after_id, window.after_created = last
    window.pages += 1
    window.state = State.RUNNING if more else State.DONE
    SyncWindow.objects.filter(pk=window.pk).update(
        after_id=window.after_id,
        after_created=window.after_created,
        pages=window.pages,
        state=window.state,
        attempts=0,
        unanswered=0,
        claims=1 if more else 0,
        lease_until=Now() + LEASE if more else None,
        last_error="",
        last_error_code="",
    )


def kind_of(window: SyncWindow) -> str:
    """What a check's window walks, as Resource.Kind names it."""
    return window.listing.partition(":")[0]
