"""Our webhook endpoint at the source: a desired state, kept by one idempotent `ensure`. Never in a transaction."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from common.due import database_now
from connections import api
from connections.models import Connection, ConnectionStatus
from connections.sources.base import Json, SourceError
from connections.sources.stripe import API_VERSION, events
from connections.sources.stripe.client import Client

MARK = "millrace"
# Which events we asked for, by fingerprint: Stripe keeps it beside them, so it is true whoever of us asked last.
_ASKED = "millrace_events"
UNREACHABLE = "Stripe cannot reach this address from outside, so Millrace asks Stripe for new events itself."
UNHEARD = (
    "Stripe took the webhook's address, but nothing arrived by it, so Millrace asks Stripe for new events itself. "
    "See that Stripe can reach the address from outside (firewall, proxy, certificate), then try a webhook again."
)
_ROLL = timedelta(hours=24)


class EndpointCap(Exception):
    """Stripe takes no further endpoint. `addresses`: those that exist."""

    def __init__(self, message: str, addresses: tuple[str, ...]) -> None:
        super().__init__(message)
        self.message = message
        self.addresses = addresses
        self.count = len(addresses)


def wanted_events(connection: Connection, extra: dict[str, list[str]] | None = None) -> list[str]:
    """Event types of the connection's resources, and of those about to be added."""
    chosen = {resource.kind: resource.events for resource in connection.resources.active()}
    return events.wanted(chosen | (extra or {}))


def wanted_since(connection: Connection) -> dict[str, datetime]:
    """Since when each of these types is wanted: by the resource that was the first to want it.

    The endpoint was never asked for older ones.
    """
    found: dict[str, datetime] = {}
    for resource in connection.resources.active():
        begins = {type_: resource.wants_from(type_) for type_ in resource.events}
        # What keeps objects fresh was asked for from the start, switched on or not.
        begins |= dict.fromkeys(events.SUPPORTING[resource.kind], resource.since)
        found |= {type_: min(since, found.get(type_, since)) for type_, since in begins.items()}
    return found


def current(connection: Connection) -> QuerySet[Connection]:
    """Its row, unless it was disconnected since it was read: then none, or another webhook address counts."""
    mine = Connection.objects.filter(pk=connection.pk, hook_token=connection.hook_token)
    return mine.exclude(state=Connection.State.DISCONNECTED)


def ensure(connection: Connection, extra: dict[str, list[str]] | None = None, *, client: Client | None = None) -> str:
    """Bring Stripe's endpoint in step with what is connected, or decide to poll.

    Returns what was wrong with our endpoint at Stripe, in words, or "".

    EndpointCap when Stripe takes no more. SourceError when it cannot be reached, when the key may not write endpoints
    (code "permission": the user may choose to poll), or when `delivery` is webhook and Stripe refuses the address;
    Rekeyed when the account was disconnected meanwhile.
    """
    client = client or api.client_of(connection)
    types = wanted_events(connection, extra)
    if connection.delivery == Connection.Delivery.POLLING or not types:
        remove(connection, client=client)
        _settle(connection, polls=bool(types), types=[])
        return ""
    try:
        return _ensure_at_stripe(connection, client, types)
    except SourceError as error:
        if not _address_refused(error) or connection.delivery == Connection.Delivery.WEBHOOK:
            raise
        _settle(connection, polls=True, types=[], error=UNREACHABLE, refused=settings.SITE_URL)
        return ""


def give_up(connection: Connection) -> None:
    """Back to polling, as nothing comes by the webhook. SourceError when Stripe does not delete it: nothing changed."""
    remove(connection)
    _settle(connection, polls=True, types=[], error=UNHEARD, refused=settings.SITE_URL)


def remove(connection: Connection, *, client: Client | None = None) -> None:
    """Delete our endpoint at Stripe: a leftover one would have Stripe mail the merchant about failures."""
    if not connection.endpoint_id:
        return
    try:
        (client or api.client_of(connection)).delete(f"/v1/webhook_endpoints/{connection.endpoint_id}")
    except SourceError as error:
        if error.code != "resource_missing":
            raise
    here = current(connection).filter(endpoint_id=connection.endpoint_id)
    connection.endpoint_id, connection.webhook_secret_sealed, connection.endpoint_events = "", None, []
    here.update(endpoint_id="", webhook_secret_sealed=None, endpoint_events=[])


def listed(client: Client) -> list[Json]:
    """Every endpoint of the account, ours and others'."""
    return [row for page in client.pages("/v1/webhook_endpoints") for row in page.data.get("data") or []]


def _ensure_at_stripe(connection: Connection, client: Client, types: list[str]) -> str:
    existing = listed(client)
    mended = _trouble(connection, existing)
    ours = [row for row in existing if _is_ours(connection, row)]
    held = next((row for row in ours if row["id"] == connection.endpoint_id and connection.webhook_secret_sealed), None)
    if held and held.get("api_version") in (None, API_VERSION):
        _update(connection, client, held, types)
        leftovers = [row for row in ours if row["id"] != held["id"]]
    else:
        _create(connection, client, types, existing, ours)
        leftovers = [row for row in ours if row["id"] != connection.endpoint_id]
    for row in leftovers:
        _delete_quietly(client, row["id"])
    return mended


def _trouble(connection: Connection, existing: list[Json]) -> str:
    """What is wrong with the endpoint, but for what another of us has just done. "" for a first one, or a sound one."""
    if not connection.endpoint_id:
        return ""
    held = next((row for row in existing if row.get("id") == connection.endpoint_id), None)
    if held is None:
        ours = current(connection).filter(endpoint_id=connection.endpoint_id).exists()
        return "It was deleted at Stripe." if ours else ""
    if held.get("status") != "enabled":
        return "It was disabled at Stripe."
    if held.get("url") != connection.hook_url:
        # Somebody changed it there, or SITE_URL here.
        return "It had another address than this installation."
    sent = held.get("enabled_events") or []
    if "*" in sent or set(connection.endpoint_events) <= set(sent) or _as_asked(held):
        return ""
    return "Events were switched off at Stripe."


def _fingerprint(types: list[str]) -> str:
    return hashlib.sha256(" ".join(sorted(types)).encode()).hexdigest()[:16]


def _as_asked(row: Json) -> bool:
    """Are its events those that one of us last asked for?"""
    return (row.get("metadata") or {}).get(_ASKED) == _fingerprint(row.get("enabled_events") or [])


def _update(connection: Connection, client: Client, held: Json, types: list[str]) -> None:
    url = connection.hook_url
    same = held.get("url") == url and sorted(held.get("enabled_events") or []) == types
    if not same or held.get("status") != "enabled":
        asked = {_ASKED: _fingerprint(types)}
        client.post(
            f"/v1/webhook_endpoints/{held['id']}", url=url, enabled_events=types, disabled=False, metadata=asked
        )
    _settle(connection, polls=False, types=types)


def _create(connection: Connection, client: Client, types: list[str], existing: list[Json], ours: list[Json]) -> None:
    follows_polling = connection.polls and connection.state == Connection.State.ACTIVE
    try:
        made = _post(connection, client, types)
    except SourceError as error:
        if not _is_cap(error):
            raise
        if not ours:
            raise EndpointCap(error.message, tuple(str(row.get("url")) for row in existing)) from error
        # Ours without a secret is of no use; at the cap it makes room for the new one.
        for row in ours:
            _delete_quietly(client, row["id"])
        made = _post(connection, client, types)
    if connection.webhook_secret_sealed and (old := connection.open("webhook_secret")):
        connection.seal("previous_secret", old.open())
        connection.previous_secret_until = datetime.now(UTC) + _ROLL
    connection.endpoint_id = made["id"]
    connection.seal("webhook_secret", made["secret"])
    connection.endpoint_key = uuid.uuid4()
    if follows_polling:
        connection.unproven_since = database_now()
    _keep_made(connection)
    _settle(connection, polls=False, types=types)


def _keep_made(connection: Connection) -> None:
    """Write the new endpoint down. Rekeyed if the account was disconnected meanwhile: then it goes again."""
    try:
        _keep(
            connection,
            "unproven_since",
            "endpoint_id",
            "webhook_secret_sealed",
            "previous_secret_sealed",
            "previous_secret_until",
            "endpoint_key",
        )
    except api.Rekeyed:
        # By our copy of the key: the row has another one, or none.
        _delete_quietly(api.ungated_client_of(connection), connection.endpoint_id)
        connection.endpoint_id = ""
        raise


def _post(connection: Connection, client: Client, types: list[str]) -> Json:
    try:
        return client.post(
            "/v1/webhook_endpoints",
            # The same key gives the same endpoint for a day, so a lost answer makes no second one.
            idempotency_key=f"millrace-endpoint-{connection.endpoint_key}",
            url=connection.hook_url,
            enabled_events=types,
            api_version=API_VERSION,
            description="Millrace keeps contacts up to date",
            metadata={MARK: connection.hook_token[:12], _ASKED: _fingerprint(types)},
        ).data
    except SourceError as error:
        if error.permanent or _is_kept(error):
            # Stripe keeps such answers under their key for a day: the next try needs a new one. If an endpoint was
            # made nevertheless, it bears our mark, and goes as soon as there is one whose secret we hold.
            connection.endpoint_key = uuid.uuid4()
            _keep(connection, "endpoint_key")
        raise


def _settle(connection: Connection, *, polls: bool, types: list[str], error: str = "", refused: str = "") -> None:
    connection.polls, connection.endpoint_events, connection.endpoint_error = polls, types, error
    connection.refused_address = refused
    if polls or not types:
        connection.unproven_since = None
    _keep(connection, "polls", "endpoint_events", "endpoint_error", "refused_address", "unproven_since")
    # As it should be, or there is none to ask about: how long that was not known is over.
    ConnectionStatus.objects.filter(pk=connection.pk).update(unchecked_since=None)


def _keep(connection: Connection, *fields: str) -> None:
    """Write these fields, unless the account was disconnected since it was read: Rekeyed."""
    if not current(connection).update(**{field: getattr(connection, field) for field in fields}):
        raise api.Rekeyed


def _is_ours(connection: Connection, row: Json) -> bool:
    """Only ours are ever touched: known by id, or by the mark we left on them."""
    mark = (row.get("metadata") or {}).get(MARK)
    return row.get("id") == connection.endpoint_id or (bool(mark) and mark == connection.hook_token[:12])


def _is_kept(error: SourceError) -> bool:
    """Did Stripe answer with a fault of its own? Where no answer came, the same key may still bring the secret."""
    return (getattr(error.__cause__, "http_status", None) or 0) >= 500


def _is_cap(error: SourceError) -> bool:
    message = error.message.lower()
    return "maximum of" in message and "webhook endpoint" in message


def _address_refused(error: SourceError) -> bool:
    return error.permanent and "url" in error.message.lower()


def _delete_quietly(client: Client, endpoint_id: str) -> None:
    try:
        client.delete(f"/v1/webhook_endpoints/{endpoint_id}")
    except SourceError as error:
        if not error.permanent:
            raise
