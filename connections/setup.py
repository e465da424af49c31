"""Connect an account, add and remove its resources, disconnect it. Nothing synced is ever removed by that."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from common import encryption
from common.due import State
from connections import api, catching_up, checks, fence, historical, reconcile, rederiving, unread, webhooks
from connections.models import Connection, ConnectionStatus, FieldMapping, InboundEvent, Resource, SetupDraft, SyncRun
from connections.models.connection import new_hook_token
from connections.sources.base import SourceError
from connections.sources.stripe import account, events
from connections.sources.stripe.account import Account

Row = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """What a wizard or a setup file asks of a resource."""

    kind: str
    sync: str
    data: str
    events: list[str]
    rows: list[Row]


def connect(key: str, user: Any = None, *, name: str = "") -> Connection:
    """Check a key and keep its account, ready for its first resource. SourceError with the reason in words.

    Reconnecting a disconnected account takes its row again, with a new epoch and a new webhook address.
    """
    key = key.strip()
    if not key:
        raise SourceError("Paste the secret key of your Stripe account.", permanent=True, code="empty")
    found = account.behind(key)
    with transaction.atomic():
        identity = {"source": "stripe", "account": found.id, "is_test": found.is_test}
        # Two pastes at once meet in one row. The first key makes its epoch 1.
        made, _ = Connection.objects.get_or_create(**identity, defaults={"name": found.name, "epoch": 0})
        connection = fence.hold_alone(made.pk)
        if connection.is_connected:
            raise SourceError(
                f"{connection.name} is already connected. Use “Replace key” there to change its key.",
                permanent=True,
                code="already_connected",
            )
        return _store_key(connection, key, found, user, name)


def replace_key(connection: Connection, key: str) -> Connection:
    """Give a connection another key of the same account and mode. SourceError with the reason in words."""
    found = account.behind(key.strip())
    if (found.id, found.is_test) != (connection.account, connection.is_test):
        raise SourceError(
            f"This key belongs to another account ({found.name}) or mode. Use a key of {connection.name}.",
            permanent=True,
            code="other_account",
        )
    with transaction.atomic():
        locked = fence.hold_alone(connection.pk)
        _seal_key(locked, key.strip(), found)
        locked.epoch += 1
        if locked.state == Connection.State.AUTH_FAILED:
            locked.state = Connection.State.ACTIVE
        locked.error = ""
        locked.save()
        # A new key is a new fence, but not a new start: open imports go on under it.
        going_on = SyncRun.objects.open().filter(resource__connection=locked)
        going_on.update(epoch=locked.epoch)
        historical.hurry(going_on)
        locked.resources.update(error="")
        # What the old key could not poll is no news of this one.
        ConnectionStatus.objects.filter(connection=locked).update(poll_error="", poll_moved_at=Now())
    unread.ask_again(locked)
    return locked


def look_at_rights(connection: Connection) -> int:
    """Note what the key may read by now, and have everything read again that was refused: objects, and imports that
    wait for a right. Returns how many.

    SourceError if Stripe does not tell.
    """
    found = account.behind(api.key_of(connection))
    Connection.objects.filter(pk=connection.pk, epoch=connection.epoch).update(missing_permissions=list(found.missing))
    waiting = SyncRun.objects.open().filter(resource__connection=connection, state=SyncRun.State.WAITING)
    historical.hurry(waiting)
    return unread.ask_again(connection) + waiting.count()


def draft_for(connection: Connection, user: Any = None) -> SetupDraft:
    """The connection's unfinished wizard, anybody's, or a new one."""
    draft, _ = SetupDraft.objects.get_or_create(
        connection=connection, finished_at=None, resource=None, defaults={"started_by": user}
    )
    return draft


def add_resource(connection: Connection, choice: Choice, user: Any = None) -> Resource:
    """Register the endpoint, then make the resource with its mapping, and its import if wanted.

    EndpointCap or SourceError before anything of ours is written. Adding a resource that is there already changes
    nothing and returns it: two people may click Finish at once.
    """
    client = api.client_of(connection)
    webhooks.ensure(connection, {choice.kind: choice.events}, client=client)
    since = client.get("/v1/events", limit=1).answered_at
    with transaction.atomic():
        connection = fence.hold_alone(connection.pk)
        resource = connection.resources.filter(kind=choice.kind).first()
        if resource and resource.removed_at is None:
            return resource
        comes_back = resource is not None
        resource = resource or Resource(connection=connection, kind=choice.kind)
        resource.sync, resource.data, resource.events = choice.sync, choice.data, choice.events
        resource.since, resource.removed_at, resource.error, resource.created_by = since, None, "", user
        resource.events_since = {}
        resource.save()
        write_mapping(resource, choice.rows, user)
        _activate(connection, user)
        if comes_back:
            catching_up.note_absence(connection)
        if choice.sync == Resource.Sync.HISTORY_AND_NEW:
            historical.start(resource, until=since, user=user)
        # Whoever finished another resource meanwhile has told Stripe of that one only.
        checks.soon(connection)
    return resource


def write_mapping(resource: Resource, rows: list[Row], user: Any = None) -> FieldMapping:
    """Make a new numbered mapping the resource's own. It applies from now on; contacts keep what they have.

    Batches under way end before, by the mapping they began with: fence.Busy if that lasts too long.
    """
    with transaction.atomic():
        fence.hold_alone(resource.connection_id)
        locked = Resource.objects.select_for_update(no_key=True).get(pk=resource.pk)
        last = locked.mappings.order_by("-number").first()
        if last is not None and last.rows == rows and locked.mapping_id == last.pk:
            return last
        mapping = FieldMapping.objects.create(
            resource=locked, number=last.number + 1 if last else 1, rows=rows, created_by=user
        )
        locked.mapping = mapping
        locked.save(update_fields=["mapping"])
    resource.mapping = mapping
    return mapping


def change_resource(resource: Resource, *, events: list[str], data: str) -> None:
    """Switch events and kinds of data of a resource. SourceError or EndpointCap if Stripe does not follow.

    What is switched on applies to what happens from now on.
    """
    client = api.client_of(resource.connection)
    webhooks.ensure(resource.connection, {resource.kind: events}, client=client)
    since = {type_: begun for type_, begun in resource.events_since.items() if type_ in events}
    if switched_on := set(events) - set(resource.events):
        now = int(client.get("/v1/events", limit=1).answered_at.timestamp())
        since |= dict.fromkeys(sorted(switched_on), now)
    Resource.objects.filter(pk=resource.pk).update(events=events, data=data, events_since=since)
    resource.events, resource.data, resource.events_since = events, data, since
    checks.soon(resource.connection)


def change_status_map(connection: Connection, status_map: dict[str, str]) -> None:
    """Read subscription statuses by another map. Recurring payments that exist follow, page by page, in a worker.

    fence.Busy if nothing could be changed now.
    """
    with transaction.atomic():
        fence.hold_alone(connection.pk)
        Connection.objects.filter(pk=connection.pk).update(status_map=status_map)
        rederiving.begin(connection)
    connection.status_map = status_map


def remove_resource(resource: Resource) -> None:
    """Stop syncing a resource. What it brought stays; adding it again is possible at any time. fence.Busy."""
    with transaction.atomic():
        fence.hold_alone(resource.connection_id)
        Resource.objects.filter(pk=resource.pk, removed_at=None).update(removed_at=Now(), error="")
        historical.stop(resource, "The resource was disconnected.")
        SetupDraft.objects.filter(resource=resource, finished_at=None).delete()
    connection = Connection.objects.get(pk=resource.connection_id)
    try:
        webhooks.ensure(connection)
    except (SourceError, webhooks.EndpointCap):
        # Events of the resource are ignored from now on; the hourly check tidies up at Stripe.
        checks.soon(connection)


def disconnect(connection: Connection) -> str:
    """End a connection: nothing more comes in, the key is wiped, everything synced stays.

    Returns what could not be tidied up at Stripe, in words, or "". fence.Busy: it is still connected.
    """
    left_behind = ""
    try:
        webhooks.remove(connection)
    except SourceError:
        left_behind = (
            "Stripe did not let us delete the webhook endpoint. Delete it there yourself; its events are refused here."
        )
    try:
        _end(connection)
    except fence.Busy:
        # It stays connected, and needs its endpoint again.
        checks.soon(connection)
        raise
    return left_behind


@transaction.atomic
def _end(connection: Connection) -> None:
    locked = fence.hold_alone(connection.pk)
    for resource in locked.resources.active():
        historical.stop(resource, "The account was disconnected.")
    locked.resources.active().update(removed_at=Now())
    locked.drafts.filter(finished_at=None).delete()
    locked.state, locked.epoch, locked.error = Connection.State.DISCONNECTED, locked.epoch + 1, ""
    locked.api_key_sealed = locked.webhook_secret_sealed = locked.previous_secret_sealed = None
    locked.previous_secret_until, locked.endpoint_id, locked.endpoint_events = None, "", []
    locked.key_hint = locked.key_fingerprint = locked.endpoint_error = ""
    locked.polls, locked.refused_address, locked.unproven_since = False, "", None
    locked.save()


def discard(draft: SetupDraft) -> None:
    """Throw an unfinished wizard away, and the key with it if its account has no resource. fence.Busy."""
    if draft.connection.state == Connection.State.SETUP:
        disconnect(draft.connection)
    draft.delete()


def stripe_time(connection: Connection) -> datetime:
    """Stripe's clock now."""
    return api.client_of(connection).get("/v1/events", limit=1).answered_at


def _store_key(connection: Connection, key: str, found: Account, user: Any, name: str) -> Connection:
    connection.name, connection.email = name or found.name, found.email
    connection.country, connection.account_created_at = found.country, found.created_at
    connection.epoch += 1
    if connection.state == Connection.State.DISCONNECTED:
        connection.hook_token, connection.endpoint_key = new_hook_token(), uuid.uuid4()
    connection.state, connection.error = Connection.State.SETUP, ""
    connection.connected_by = user
    connection.save()
    _seal_key(connection, key, found)
    connection.save()
    ConnectionStatus.objects.get_or_create(connection=connection)
    return connection


def _seal_key(connection: Connection, key: str, found: Account) -> None:
    connection.seal("api_key", key)
    connection.key_hint = encryption.mask(key)
    connection.key_fingerprint = encryption.fingerprint(key)
    connection.missing_permissions = list(found.missing)


def _activate(connection: Connection, user: Any) -> None:
    if connection.state != Connection.State.SETUP:
        return
    connection.state, connection.connected_at, connection.connected_by = Connection.State.ACTIVE, Now(), user
    connection.save(update_fields=["state", "connected_at", "connected_by"])
    ConnectionStatus.objects.filter(pk=connection.pk).update(
        next_poll_at=Now(),
        next_check_at=Now(),
        next_reconcile_at=reconcile.next_night(connection.pk),
        events_seen_until=None,
        polled_at=None,
        poll_moved_at=Now(),
        poll_error="",
        gap_since=None,
        unchecked_since=None,
        throttled_until=None,
    )
    catching_up.note_absence(connection)
    # Events kept from a time when the account was disconnected are looked at again; older ones are then ignored.
    InboundEvent.objects.filter(connection=connection, state=State.HELD).update(
        state=State.DUE, next_attempt_at=Now(), claims=0, claim_no=F("claim_no") + 1
    )


def default_choice(kind: str, sync: str, rows: list[Row]) -> Choice:
    """A resource with the events that are on by default."""
    return Choice(kind, sync, Resource.Data.ALL, events.defaults(kind), rows)
