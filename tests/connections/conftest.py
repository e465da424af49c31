"""A sandbox Stripe over HTTP, and an account of it connected by the same functions the wizard calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from common.origin import Origin
from connections import fetching, historical, inbox, polling, setup, stored_events, underived_pages
from connections.models import Connection, Resource, SyncRun
from connections.setup import Choice
from connections.sources.stripe import events, translate
from connections.sources.stripe.client import API_VERSION
from sandbox.stripe import Sandbox, SandboxAccount, serve

if TYPE_CHECKING:
    from tests.connections.shops import Shop

ROWS = [
    {"from": ["email"], "to": "email", "write": "always"},
    {"from": ["customer.name"], "to": "name", "write": "always"},
    {"from": ["customer.phone"], "to": "phone", "write": "always"},
]


@pytest.fixture
def stripe(settings: Any) -> Iterator[Sandbox]:
    with serve() as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        sandbox.hold()
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox) -> SandboxAccount:
    return stripe.account("main", local_webhooks=True)


@pytest.fixture
def connect(account: SandboxAccount, db: None) -> Callable[..., Resource]:
    """connect("customer", …): a resource of the account, connected with its default events and the usual rows."""

    def connected(
        kind: str = "customer",
        *,
        sync: str = "new_only",
        rows: list[Any] | None = None,
        key: str = "",
        types: list[str] | None = None,
    ) -> Resource:
        connection = Connection.objects.connected().first() or setup.connect(key or account.key)
        choice = Choice(kind, sync, Resource.Data.ALL, types or events.defaults(kind), rows or ROWS)
        return setup.add_resource(connection, choice)

    return connected


@pytest.fixture
def start(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> Callable[..., SyncRun]:
    """start(count): an account with that many customers, connected, its import begun but not walked."""

    def begin(count: int = 230, kind: str = "customer") -> SyncRun:
        account.play("grow", count=count)
        stripe.discard()
        stripe.clear_requests()
        return connect(kind, sync="history_and_new").runs.get()

    return begin


@pytest.fixture
def deliver(stripe: Sandbox, live_hook: Callable[[], None]) -> Callable[[], list[Any]]:
    """Send what waits to our endpoint by HTTP, then work everything that is due."""

    def send() -> list[Any]:
        attempts = stripe.deliver()
        work()
        return attempts

    return send


@pytest.fixture
def receive(connect: Callable[..., Resource]) -> Callable[..., None]:
    """receive(event, …): store each and work it before the next, as separate deliveries would be."""
    connection = connect("customer", types=["customer.created", "customer.updated", "customer.deleted"]).connection
    Resource.objects.update(since="2020-01-01T00:00:00Z")

    def take(*told: dict[str, Any]) -> None:
        for one in told:
            body = json.dumps(one).encode()
            stored_events.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
            inbox.drain()

    return take


@pytest.fixture
def live_hook(live_server: Any, settings: Any) -> None:
    settings.SITE_URL = live_server.url


@pytest.fixture(params=["2020-08-27", "2022-11-15", "2025-01-27.acacia", API_VERSION])
def shop(request: Any, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None) -> Shop:
    """A shop whose events come in an API version, in each that differs."""
    from tests.connections import shops  # it works with what stands in this module

    return shops.opened(stripe, connect, request.param)


@pytest.fixture
def anybody() -> Client:
    return Client()


def work() -> None:
    """Everything due now, as the workers would do it."""
    for _ in range(20):
        if not (polling.drain() + inbox.drain() + fetching.drain() + historical.drain() + underived_pages.drain()):
            return
    raise AssertionError("There is always more to do.")
