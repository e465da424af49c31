"""One page of a check: read, and compared with what we hold. What differs is put right by reconcile_writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Exists, JSONField, OuterRef
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from connections import history_pages, polling, reconcile_writes, remote_objects, under_way, webhooks
from connections.models import (
    Connection,
    ConnectionStatus,
    RemoteObject,
    Resource,
    Sighting,
    SyncRun,
    SyncWindow,
)
from connections.reconcile_writes import UNSEEN, kind_of
from connections.sources.base import Json, ObjectState, SourceError, Translation
from connections.sources.stripe import comparing, shapes, translate
from connections.sources.stripe.client import PAGE, Client
from connections.sources.stripe.listing import LISTINGS

CURRENT = ":current"
# Objects read one by one in a step of the look at those no list showed.
ONE_BY_ONE = 20
# Objects held that a step looks through for them: of all that ever ended nearly none is asked for.
LOOKED_THROUGH = 2000
# Our clock and Stripe's may differ a little: what we heard of this lately needs no look.
_CLOCKS = timedelta(minutes=2)
_STATUS = KeyTextTransform("status", Cast("body", JSONField()))


def compare(client: Client, window: SyncWindow, run: SyncRun) -> None:
    """Read and compare the window's next page. Its state says whether there is more.

    SourceError when Stripe does not answer; Stopped or Moved when the run is no longer ours to walk.
    """
    if window.listing.endswith(UNSEEN):
        found, last, more = _unseen_page(client, window, run)
        gone = [t for t in found if t.record is None or t.states[0].deleted]
        differing = gone + _differing(run, [t for t in found if t not in gone])
        reconcile_writes.write(client, window, run, found, differing, last, more)
        return
    rows, more = _listed_page(client, window, run)
    found = [translate.from_row(row, asked_at) for row, asked_at in rows]
    last = (shapes.text(rows[-1][0].get("id")), shapes.moment(rows[-1][0].get("created"))) if rows else None
    differing = _differing(run, found)
    differing = _inside(run, differing) + differing
    if differing and run.kind == SyncRun.Kind.CHECK:
        differing = _untold(run, differing)
    reconcile_writes.write(client, window, run, found, differing, last, more)


def _listed_page(client: Client, window: SyncWindow, run: SyncRun) -> tuple[list[tuple[Json, datetime]], bool]:
    kind = kind_of(window)
    listing, missing = LISTINGS[kind], run.resource.connection.missing_permissions
    created = {"gte": int(window.starts_at.timestamp()), "lt": int(window.ends_at.timestamp()) + 1}
    cursor = {"starting_after": window.after_id} if window.after_id else {}
    if not window.after_id and window.after_created:
        created = {"gte": created["gte"], "lte": int(window.after_created.timestamp())}
    if window.listing.endswith(CURRENT):
        # Without a status Stripe lists all that are not canceled.
        listing = replace(listing, filters={})
    try:
        page = listing.read(client, missing, limit=PAGE, created=created, **cursor)
    except SourceError as error:
        if error.code != "resource_missing" or not window.after_id:
            raise
        # The object the cursor stood on is gone: go on from its second.
        window.after_id = ""
        return _listed_page(client, window, run)
    rows = [row for row in page.data.get("data") or [] if isinstance(row, dict) and shapes.text(row.get("id"))]
    more = bool(page.data.get("has_more"))
    history_pages.refuse_repetition(rows, more, window.after_id, window.after_created)
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
    told = under_way.object_ids(connection=connection, object_id__in=ids)
    # What was applied since the page was read is no difference any more.
    return _differing(run, [t for t in differing if t.record and t.record.object_id not in told])


def _unseen_page(
    client: Client, window: SyncWindow, run: SyncRun
) -> tuple[list[Translation], tuple[str, datetime | None] | None, bool]:
    """Objects we hold and no list showed, read one by one: ended, or deleted, while nobody told us."""
    kind = kind_of(window)
    held = RemoteObject.objects.filter(
        connection=run.resource.connection,
        type=kind,
        body__isnull=False,
        deleted_at=None,
        as_of__lt=run.range_to - _CLOCKS,
        external_id__gt=window.after_id,
    )
    page = list(held.order_by("external_id").values_list("external_id", flat=True)[:LOOKED_THROUGH])
    ids = _unseen(run, kind, page)
    full = len(ids) == ONE_BY_ONE
    found = [_one(client, kind, external_id) for external_id in ids]
    last = ids[-1] if full else page[-1] if page else ""
    return found, (last, None) if last else None, full or len(page) == LOOKED_THROUGH


def _unseen(run: SyncRun, kind: str, page: list[str]) -> list[str]:
    """Of these objects the first that no list showed, in order; not those of which Stripe's lists show no more."""
    seen = Sighting.objects.filter(run=run, type=kind, external_id=OuterRef("external_id"))
    held = RemoteObject.objects.filter(
        ~Exists(seen), connection=run.resource.connection, type=kind, external_id__in=page
    )
    if kind == "subscription":
        held = held.alias(status=_STATUS).exclude(status__in=comparing.ENDED)
    return list(held.order_by("external_id").values_list("external_id", flat=True)[:ONE_BY_ONE])


def _one(client: Client, kind: str, external_id: str) -> Translation:
    try:
        answer = client.get(f"/v1/{kind}s/{external_id}")
    except SourceError as error:
        if error.code != "resource_missing":
            raise
        gone: Json = {"id": external_id, "object": kind, "deleted": True}
        return Translation((ObjectState(kind, external_id, error.answered_at, gone, deleted=True, fetched=True),), None)
    return translate.from_row({"object": kind, **answer.data}, answer.asked_at)
