"""One page of a check: read, compared with what we hold, and what differs put right, in one transaction."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Case, Exists, F, OuterRef, Value, When
from django.db.models.functions import Now

from common.due import LEASE, State
from common.origin import Origin
from connections import derived, history_pages, ingest, log, polling, remote_objects, webhooks
from connections.derived import Told
from connections.historical import Stopped
from connections.inbox import fenced
from connections.ingest import Incoming
from connections.models import (
    Connection,
    ConnectionStatus,
    InboundEvent,
    RemoteObject,
    Resource,
    Sighting,
    SyncLogEntry,
    SyncRun,
    SyncWindow,
)
from connections.sources.base import Json, ObjectState, SourceError, Translation
from connections.sources.stripe import comparing, shapes, translate
from connections.sources.stripe.client import PAGE, Client
from connections.sources.stripe.listing import LISTINGS

logger = logging.getLogger(__name__)
CURRENT, UNSEEN = ":current", ":unseen"
DIFFERED = "Differed from Stripe and was put right."
# Objects read one by one in a step of the look at those no list showed.
ONE_BY_ONE = 20
# Our clock and Stripe's may differ a little: what we heard of this lately needs no look.
_CLOCKS = timedelta(minutes=2)
_CROSSWISE_TRIES = 5
_UNDER_WAY = (State.DUE, State.RUNNING, State.WAITING, State.HELD)
_WALKING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.WAITING)


def compare(client: Client, window: SyncWindow, run: SyncRun) -> None:
    """Read and compare the window's next page. Its state says whether there is more.

    SourceError when Stripe does not answer; Stopped or Moved when the run is no longer ours to walk.
    """
    if window.listing.endswith(UNSEEN):
        found, last, more = _unseen_page(client, window, run)
        gone = [t for t in found if t.record is None or t.states[0].deleted]
        differing = gone + _differing(run, [t for t in found if t not in gone])
        _write(client, window, run, found, differing, last, more)
        return
    rows, more = _listed_page(client, window, run)
    found = [translate.from_row(row, asked_at) for row, asked_at in rows]
    last = (shapes.text(rows[-1][0].get("id")), shapes.moment(rows[-1][0].get("created"))) if rows else None
    differing = _differing(run, found)
    differing = _inside(run, differing) + differing
    if differing and run.kind == SyncRun.Kind.CHECK:
        differing = _untold(run, differing)
    _write(client, window, run, found, differing, last, more)


def _listed_page(client: Client, window: SyncWindow, run: SyncRun) -> tuple[list[tuple[Json, datetime]], bool]:
    kind = _kind(window)
    asking = LISTINGS[kind].asking(run.resource.connection.missing_permissions)
    created = {"gte": int(window.starts_at.timestamp()), "lt": int(window.ends_at.timestamp()) + 1}
    cursor = {"starting_after": window.after_id} if window.after_id else {}
    if not window.after_id and window.after_created:
        created = {"gte": created["gte"], "lte": int(window.after_created.timestamp())}
    if window.listing.endswith(CURRENT):
        # Without a status Stripe lists all that are not canceled.
        asking = {name: value for name, value in asking.items() if name != "status"}
    try:
        page = client.get(LISTINGS[kind].path, limit=PAGE, created=created, **cursor, **asking)
    except SourceError as error:
        if error.code != "resource_missing" or not window.after_id:
            raise
        # The object the cursor stood on is gone: go on from its second.
        window.after_id = ""
        return _listed_page(client, window, run)
    rows = [row for row in page.data.get("data") or [] if isinstance(row, dict) and shapes.text(row.get("id"))]
    more = bool(page.data.get("has_more"))
    history_pages.refuse_repetition(rows, more, window.after_id)
    return [(row, page.asked_at) for row in rows], more


def _differing(run: SyncRun, found: list[Translation]) -> list[Translation]:
    """Rows of a page that say something else than we hold, or that we lack."""
    connection = run.resource.connection
    events = set(webhooks.wanted_events(connection))
    held = {
        row.key: row
        for row in remote_objects.rows(connection, {t.record.key for t in found if t.record})
        if row.body is not None
    }
    reach = _reach(run.resource)
    differing = []
    for one in found:
        record = one.record
        assert record  # noqa: S101  rows of a list have one
        row = held.get(record.key)
        if row is None:
            wanted = (reach is None or record.occurred_at >= reach) and comparing.would_be_told(
                record.object_type, record.after, events
            )
        else:
            wanted = bool(comparing.differences(record.object_type, record.after, row.body or {}, events))
        if wanted:
            differing.append(one)
    return differing


def _inside(run: SyncRun, differing: list[Translation]) -> list[Translation]:
    """Records of other resources that came inside these and differ: each is mapped as what it is."""
    kinds = set(run.resource.connection.resources.active().values_list("kind", flat=True))
    inner = {
        state.key: translate.from_row(state.body, state.as_of)
        for one in differing
        for state in one.states[1:]
        if state.type in kinds
    }
    return _differing(run, list(inner.values())) if inner else []


def _reach(resource: Resource) -> datetime | None:
    """Older objects are nobody's business unless we hold them; None once the whole history was wanted and came."""
    newest = resource.current_run
    came = resource.sync == Resource.Sync.HISTORY_AND_NEW and newest is not None and newest.state == SyncRun.State.DONE
    return None if came else resource.since


def _untold(run: SyncRun, differing: list[Translation]) -> list[Translation]:
    """Those no event tells of. The events are read first: one may be on its way, or have been missed.

    SourceError if Stripe does not give them: the page is compared again later.
    """
    connection = run.resource.connection
    before = ConnectionStatus.objects.values_list("polled_at", flat=True).get(pk=connection.pk)
    polling.poll(Connection.objects.select_related("status").get(pk=connection.pk))
    if ConnectionStatus.objects.values_list("polled_at", flat=True).get(pk=connection.pk) == before:
        raise SourceError("Stripe did not list its events. We try again.", permanent=False, code="unavailable")
    ids = [t.record.object_id for t in differing if t.record]
    told = InboundEvent.objects.filter(connection=connection, state__in=_UNDER_WAY, object_id__in=ids)
    under_way = set(told.values_list("object_id", flat=True))
    # What was applied since the page was read is no difference any more.
    return _differing(run, [t for t in differing if t.record and t.record.object_id not in under_way])


def _unseen_page(
    client: Client, window: SyncWindow, run: SyncRun
) -> tuple[list[Translation], tuple[str, datetime | None] | None, bool]:
    """Objects we hold and no list showed, read one by one: ended, or deleted, while nobody told us."""
    kind = _kind(window)
    seen = Sighting.objects.filter(run=run, type=kind, external_id=OuterRef("external_id"))
    held = RemoteObject.objects.filter(
        ~Exists(seen),
        connection=run.resource.connection,
        type=kind,
        body__isnull=False,
        deleted_at=None,
        as_of__lt=run.range_to - _CLOCKS,
        external_id__gt=window.after_id,
    )
    if kind == "subscription":
        held = held.exclude(body__status__in=comparing.ENDED)
    ids = list(held.order_by("external_id").values_list("external_id", flat=True)[:ONE_BY_ONE])
    found = [_one(client, kind, external_id) for external_id in ids]
    return found, (ids[-1], None) if ids else None, len(ids) == ONE_BY_ONE


def _one(client: Client, kind: str, external_id: str) -> Translation:
    try:
        answer = client.get(f"/v1/{kind}s/{external_id}")
    except SourceError as error:
        if error.code != "resource_missing":
            raise
        gone: Json = {"id": external_id, "object": kind, "deleted": True}
        return Translation((ObjectState(kind, external_id, datetime.now(UTC), gone, deleted=True, fetched=True),), None)
    return translate.from_row({"object": kind, **answer.data}, answer.asked_at)


def _write(
    client: Client,
    window: SyncWindow,
    run: SyncRun,
    found: list[Translation],
    differing: list[Translation],
    last: tuple[str, datetime | None] | None,
    more: bool,
) -> None:
    """Put right what differs, and move the cursor, in one transaction: a kill repeats at most this page."""
    behind = history_pages.behind(client, run, differing)
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                connection = _claimed(window, run)
                results = _put_right(connection, run, differing, behind) if differing else []
                _sight(window, run, found)
                _advance(window, run, len(found), results, last, more)
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
    connection: Connection, run: SyncRun, differing: list[Translation], behind: list[Translation]
) -> list[str]:
    """Results, one each: a result of the log, or "" for an object whose newer state was known by now."""
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
        except (IntegrityError, OperationalError):
            raise
        except Exception as error:
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
    if window.listing.endswith(UNSEEN) or not run.windows.filter(listing=f"{_kind(window)}{UNSEEN}").exists():
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
        claims=1 if more else 0,
        lease_until=Now() + LEASE if more else None,
        last_error="",
        last_error_code="",
    )


def _kind(window: SyncWindow) -> str:
    return window.listing.partition(":")[0]
