"""Pages of a resource's list as Stripe gives them, with the objects behind ids that a mapping follows."""

from __future__ import annotations

from datetime import UTC, datetime

from connections import mapping
from connections.models import RemoteObject, SyncRun, SyncWindow
from connections.sources.base import Json, ObjectState, SourceError, Translation
from connections.sources.stripe import shapes, translate
from connections.sources.stripe.client import PAGE, Answer, Client
from connections.sources.stripe.listing import LISTINGS


def read_page(client: Client, window: SyncWindow, run: SyncRun) -> tuple[Answer, list[Translation]]:
    """The next page and, for rows whose mapping follows an object we do not hold, those objects too."""
    listing = LISTINGS[run.resource.kind]
    asking = listing.asking(run.resource.connection.missing_permissions)
    created = {"gte": int(window.starts_at.timestamp()), "lt": int(window.ends_at.timestamp())}
    cursor = {"starting_after": window.after_id} if window.after_id else {}
    if not window.after_id and window.after_created:
        created = {"gte": created["gte"], "lte": int(window.after_created.timestamp())}
    try:
        page = client.get(listing.path, limit=PAGE, created=created, **cursor, **asking)
    except SourceError as error:
        if error.code != "resource_missing" or not window.after_id:
            raise
        # The object the cursor stood on is gone: go on from its second.
        window.after_id = ""
        return read_page(client, window, run)
    rows = [row for row in page.data.get("data") or [] if isinstance(row, dict) and shapes.text(row.get("id"))]
    refuse_repetition(rows, bool(page.data.get("has_more")), window.after_id, window.after_created)
    found = [translate.from_row(row, page.asked_at) for row in rows]
    return page, [*found, *behind(client, run, found)]


def refuse_repetition(rows: list[Json], has_more: bool, after_id: str, after: datetime | None = None) -> None:
    """SourceError for a list that would go round for ever: more is promised, but nothing came, or what came before."""
    if not has_more:
        return
    begins = shapes.moment(rows[0].get("created")) if rows else None
    went_back = after is not None and begins is not None and begins > after
    if not rows or rows[-1]["id"] == after_id or went_back:
        raise SourceError("Stripe’s list does not end: it repeats a page.", permanent=True, code="endless")


def behind(client: Client, run: SyncRun, found: list[Translation]) -> list[Translation]:
    """The objects that a mapping follows from these rows and that we do not hold, read one by one."""
    keys_read = mapping.keys(run.resource.mapping.rows) if run.resource.mapping else set()
    came = {state.key for translation in found for state in translation.states}
    needed = {key for t in found if t.record for key in translate.needs(t.record.after, keys_read)} - came
    kinds = {key.partition(":")[0] for key in needed}
    held = {
        row.key
        for row in RemoteObject.objects.filter(
            connection=run.resource.connection,
            type__in=kinds,
            external_id__in={key.partition(":")[2] for key in needed},
            body__isnull=False,
        )
    }
    return [_one(client, key) for key in sorted(needed - held)]


def _one(client: Client, key: str) -> Translation:
    """An object on its own. One that is not to be had is a tombstone, so nobody waits for it."""
    kind, _, external_id = key.partition(":")
    try:
        answer = client.get(f"/v1/{kind}s/{external_id}")
    except SourceError as error:
        if error.code not in ("resource_missing", "permission"):
            raise
        body: Json = {"id": external_id, "object": kind, "deleted": True}
        return Translation((ObjectState(kind, external_id, datetime.now(UTC), body, deleted=True, fetched=True),), None)
    return Translation(translate.from_row(answer.data, answer.asked_at).states, None)
