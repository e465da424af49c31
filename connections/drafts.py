"""An unfinished wizard: what it remembers between pages, and its end."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest

from common.fields import Field
from connections import api, fence, mapping_rows, preview, setup
from connections.forms.mapping import Offer
from connections.mapping_rows import Row
from connections.models import Connection, Resource, SetupDraft
from connections.setup import Choice
from connections.sources.base import Json, SourceError, View
from connections.sources.stripe import events, listing
from connections.sources.stripe import fields as source
from contacts.fields import targets
from users import audit

SAMPLES = 5


def for_resource(resource: Resource, user: Any) -> SetupDraft:
    """The open edit of a connected resource, or a new one with its stored rows."""
    draft = resource.drafts.filter(finished_at=None).order_by("pk").first()
    if draft and resource.mapping and resource.mapping.created_at > draft.created_at:
        # Somebody saved another mapping meanwhile; these rows were changed from an older one.
        draft.delete()
        draft = None
    return draft or SetupDraft.objects.create(
        connection=resource.connection,
        resource=resource,
        kind=resource.kind,
        sync=resource.sync,
        data=resource.data,
        events=resource.events,
        rows=resource.mapping.rows if resource.mapping else None,
        started_by=user,
    )


def choose(draft: SetupDraft, kind: str, sync: str, chosen: list[str] | None, data: str) -> None:
    """Keep what step 2 says. Another resource begins its mapping anew."""
    if draft.kind != kind:
        draft.rows = draft.samples = None
        draft.samples_kind = ""
    draft.kind, draft.sync, draft.events, draft.data = kind, sync, chosen, data
    draft.save()


def rows_of(draft: SetupDraft) -> list[Row]:
    """As kept, or the obvious ones to begin with."""
    rows: list[Row] = mapping_rows.obvious(draft.kind) if draft.rows is None else draft.rows
    return mapping_rows.arranged(rows)


def events_of(draft: SetupDraft) -> list[str]:
    return events.defaults(draft.kind) if draft.events is None else draft.events


def keep_rows(draft: SetupDraft, rows: list[Row]) -> None:
    draft.rows = rows
    draft.save(update_fields=["rows", "updated_at"])


def keep_events(draft: SetupDraft, chosen: list[str], data: str) -> None:
    draft.events, draft.data = chosen, data
    draft.save(update_fields=["events", "data", "updated_at"])


def offer_of(draft: SetupDraft, views: list[View]) -> Offer:
    """What the selects of step 3 hold: the catalogue, metadata found on real records, the contact's fields."""
    found = source.offered(draft.kind, [(view.own.body, preview.customer_of(view)) for view in views])
    return Offer.of(found, contact_targets(), rows_of(draft))


def contact_targets() -> dict[str, Field]:
    return targets()


# --- Real records ---


def fetch_samples(draft: SetupDraft, *, again: bool = False) -> None:
    """Read the newest records from Stripe once. A failure is remembered too, so that only «Try again» asks anew."""
    if draft.samples_kind == draft.kind and not again:
        return
    draft.samples_kind = draft.kind
    try:
        draft.samples = _newest(draft.connection, draft.kind)
    except SourceError as error:
        draft.samples = None
        api.note(draft.connection, error)
    draft.save(update_fields=["samples", "samples_kind", "updated_at"])


def views_of(draft: SetupDraft) -> list[View]:
    return [preview.view_of(draft.kind, kept) for kept in draft.samples or []]


def _newest(connection: Connection, kind: str) -> list[Json]:
    client = api.client_of(connection)
    asked_at = client.get("/v1/events", limit=1).asked_at
    rows = listing.newest(client, kind, SAMPLES)
    products: list[Json] = []
    if kind == Resource.Kind.SUBSCRIPTION:
        try:
            for page in listing.products_of(client, rows, set()):
                products += [one for one in page.data.get("data") or [] if isinstance(one, dict)]
        except SourceError as error:
            # Without this right subscriptions can be synced, only not the names of their products.
            if error.code != "permission":
                raise
    return [preview.sample(row, asked_at, products) for row in rows]


# --- The end ---


def finish(draft: SetupDraft, request: HttpRequest) -> tuple[Resource, bool]:
    """Make the draft's resource, or change the one it edits. (resource, was it this call that did it).

    EndpointCap or SourceError leaves everything as it was; only fence.Busy may come when the events are changed, which
    is recorded, and the mapping is not yet, and the next try does the rest. Of two people who finish at once one makes
    the resource and the other gets it: Stripe is asked before any lock is taken, and every step may be done twice.
    """
    there = None if draft.resource else draft.connection.resources.active().filter(kind=draft.kind).first()
    resource = there or (_change(draft, request) if draft.resource else _add(draft, request))
    with transaction.atomic():
        locked = SetupDraft.objects.select_for_update().filter(pk=draft.pk, finished_at=None).first()
        if locked is None:
            return resource, False
        locked.finished_at, locked.samples = Now(), None
        locked.save(update_fields=["finished_at", "samples"])
        if there:
            return resource, False
        action = "changed mapping of" if draft.resource else "connected resource"
        audit.record(request, action, resource, **_told(draft, resource))
    return resource, True


def _add(draft: SetupDraft, request: HttpRequest) -> Resource:
    rows = mapping_rows.whole(rows_of(draft))
    choice = Choice(draft.kind, draft.sync, draft.data, events_of(draft), rows)
    return setup.add_resource(draft.connection, choice, request.user)


def _change(draft: SetupDraft, request: HttpRequest) -> Resource:
    resource = draft.resource
    assert resource  # noqa: S101  only called for edits
    switched = (sorted(resource.events), resource.data) != (sorted(events_of(draft)), draft.data)
    if switched:
        setup.change_resource(resource, events=events_of(draft), data=draft.data)
    try:
        setup.write_mapping(resource, mapping_rows.whole(rows_of(draft)), request.user)
    except fence.Busy:
        if switched:
            audit.record(request, "changed events of", resource, **_told(draft, resource))
        raise
    return resource


def _told(draft: SetupDraft, resource: Resource) -> dict[str, Any]:
    told: dict[str, Any] = {
        "connection": str(draft.connection),
        "mapping": resource.mapping.number if resource.mapping else None,
        "events": events_of(draft),
    }
    return told if draft.resource else told | {"sync": draft.sync, "data": draft.data}


def poll_instead(draft: SetupDraft) -> None:
    """No webhook for this account, by the user's wish: new events are read from Stripe."""
    draft.connection.delivery = Connection.Delivery.POLLING
    draft.connection.save(update_fields=["delivery"])
