"""Pages of a resource's list as Stripe gives them, with the objects behind ids that a mapping follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from django.db.models import Q

from connections import mapping, single_reads, unread
from connections.models import Connection, RemoteObject, SyncLogEntry, SyncRun, SyncWindow
from connections.sources.base import Json, ObjectState, SourceError, Translation
from connections.sources.stripe import shapes, translate
from connections.sources.stripe.client import PAGE, Client
from connections.sources.stripe.listing import LISTINGS


@dataclass(frozen=True)
class Cursor:
    """Where a walk over a window stands: the last object seen and its `created`, or nothing at its beginning."""

    after_id: str = ""
    after_created: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Rows of a list in our words, and how many Stripe listed, which is more where one of them has no id.

    `next`: where the walk stands behind them. `more`: whether Stripe has any.
    """

    rows: list[Translation]
    listed: int
    next: Cursor
    more: bool


def scope_of(run: SyncRun) -> str:
    """The kind of list that the rate limit knows a run's requests by."""
    return LISTINGS[run.resource.kind].path.split("/")[2]


def read_page(client: Client, window: SyncWindow, run: SyncRun, at: Cursor) -> Page:
    """The page behind a place. Asks nothing of the database. SourceError `resource_missing`: the object is gone."""
    listing = LISTINGS[run.resource.kind]
    created = {"gte": int(window.starts_at.timestamp()), "lt": int(window.ends_at.timestamp())}
    cursor = {"starting_after": at.after_id} if at.after_id else {}
    if not at.after_id and at.after_created:
        created = {"gte": created["gte"], "lte": int(at.after_created.timestamp())}
    page = listing.read(client, run.resource.connection.missing_permissions, limit=PAGE, created=created, **cursor)
    listed = page.data.get("data") or []
    rows = [row for row in listed if isinstance(row, dict) and shapes.text(row.get("id"))]
    more = bool(page.data.get("has_more"))
    refuse_repetition(rows, more, at.after_id, at.after_created)
    found = [translate.from_row(row, page.asked_at) for row in rows]
    last = found[-1].record if found else None
    return Page(found, len(listed), Cursor(last.object_id, last.occurred_at) if last else at, more)


def without_written(page: Page, run: SyncRun, second: datetime) -> Page:
    """The page without what this run has written of a second that is read again."""
    ids = [row.record.object_id for row in page.rows if row.record and row.record.occurred_at == second]
    logged = SyncLogEntry.objects.filter(run=run, object_id__in=ids) if ids else SyncLogEntry.objects.none()
    written = set(logged.values_list("object_id", flat=True))
    rows = [row for row in page.rows if not (row.record and row.record.object_id in written)]
    return replace(page, rows=rows, listed=page.listed - len(page.rows) + len(rows))


def refuse_repetition(rows: list[Json], has_more: bool, after_id: str, after: datetime | None = None) -> None:
    """SourceError for a list that would go round for ever: more is promised, but nothing came, or what came before."""
    if not has_more:
        return
    begins = shapes.moment(rows[0].get("created")) if rows else None
    went_back = after is not None and begins is not None and begins > after
    if not rows or rows[-1]["id"] == after_id or went_back:
        raise SourceError("Stripe’s list does not end: it repeats a page.", permanent=True, code="endless")


def behind(client: Client, run: SyncRun, found: list[Translation], came: set[str]) -> list[Translation]:
    """The objects that a mapping follows from these rows, read one by one: those that neither came nor are held.

    Those that are refused for good, or that the key may not read, are left out, which says nothing of them: who writes
    the rows wishes for them, so that they are set aside when they are refused again (`fetching`).
    """
    keys_read = mapping.keys(run.resource.mapping.rows) if run.resource.mapping else set()
    needed = {key for t in found if t.record for key in translate.needs(t.record.after, keys_read)} - came
    if not needed:
        return []
    kinds = {key.partition(":")[0] for key in needed}
    rows = RemoteObject.objects.filter(
        # Held, or asked for in vain.
        ~Q(body=None) | ~Q(wanted_error=""),
        connection=run.resource.connection,
        type__in=kinds,
        external_id__in={key.partition(":")[2] for key in needed},
    )
    known = {f"{kind}:{external_id}" for kind, external_id in rows.values_list("type", "external_id")}
    return _read(client, run.resource.connection, sorted(needed - known))


# So many refusals of one page are no matter of single objects: no more of their kind are asked for with it.
_ENOUGH = 3


def _read(client: Client, connection: Connection, keys: list[str]) -> list[Translation]:
    found: list[Translation] = []
    refused: Counter[str] = Counter()
    for key in keys:
        kind = key.partition(":")[0]
        if refused[kind] >= _ENOUGH:
            continue
        try:
            found.append(_one(client, key))
        except SourceError as error:
            if not error.permanent or error.code in single_reads.ABOUT_THE_KEY:
                raise
            refused[kind] += _ENOUGH if error.code == "permission" else 1
            if error.permission:
                unread.note_lacking(connection, error.permission)
    return found


def _one(client: Client, key: str) -> Translation:
    """An object on its own. One that does not exist is a tombstone, so nobody waits for it."""
    kind, _, external_id = key.partition(":")
    try:
        # A shop chooses the ids of its products.
        answer = client.get(f"/v1/{kind}s/{quote(external_id, safe='')}")
    except SourceError as error:
        if error.code != "resource_missing":
            raise
        body: Json = {"id": external_id, "object": kind, "deleted": True}
        return Translation((ObjectState(kind, external_id, error.answered_at, body, deleted=True, fetched=True),), None)
    return Translation(translate.from_row(answer.data, answer.asked_at).states, None)
