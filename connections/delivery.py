"""How a connection's events come, when somebody says how they should."""

from __future__ import annotations

import contextlib

from connections import api, webhooks
from connections.models import Connection
from connections.sources.base import SourceError
from connections.sources.stripe.client import Client


def deliver(connection: Connection, delivery: str, extra: dict[str, list[str]], client: Client) -> None:
    """Have events come the wished way. `auto` polls where Stripe refuses the address, or the key may write no endpoint.

    `extra`: kind -> event types of resources about to be added. EndpointCap, SourceError: nothing is changed.
    """
    connection.delivery = delivery
    try:
        webhooks.ensure(connection, extra, client=client)
    except SourceError as error:
        if delivery != Connection.Delivery.AUTO or error.code != "permission":
            raise _with_address(connection, error) from error
        connection.delivery = Connection.Delivery.POLLING
        webhooks.ensure(connection, extra, client=client)
    connection.save(update_fields=["delivery"])


def _with_address(connection: Connection, error: SourceError) -> SourceError:
    if not error.permanent or "url" not in error.message.lower():
        return error
    words = f"Stripe refuses the webhook address {connection.hook_url.removesuffix(connection.hook_path)}/…"
    return SourceError(f"{words}: {error.message}", permanent=True, code=error.code)


def restore(pk: int, delivery: str) -> None:
    """Back to an earlier wish, as far as Stripe lets us; the hourly check does the rest."""
    connection = Connection.objects.get(pk=pk)
    with contextlib.suppress(SourceError, webhooks.EndpointCap):
        deliver(connection, delivery, {}, api.client_of(connection))
    Connection.objects.filter(pk=pk).update(delivery=delivery)
