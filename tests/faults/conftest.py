"""A machine of its own for the fault tests, and a Stripe account that is connected to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.db import connections
from django.db.models import QuerySet
from pytest_django.plugin import DjangoDbBlocker

from connections import setup
from connections.models import Connection, InboundEvent
from connections.setup import Choice
from connections.sources.stripe import events
from sandbox.stripe import Sandbox, SandboxAccount, serve
from tests.connections.conftest import ROWS
from tests.connections.test_any_order import KINDS
from tests.faults.machine import Machine, PortKeeper


def amount(name: str, usual: int) -> int:
    """How much of something: the environment may ask for more than there is time for at each push."""
    return int(os.environ.get(f"FAULTS_{name}", usual))


@pytest.fixture(scope="session")
def ports() -> Iterator[PortKeeper]:
    keeper = PortKeeper()
    yield keeper
    keeper.close()


@pytest.fixture(scope="session")
def stripe_port(ports: PortKeeper) -> int:
    """Where the sandbox of every test listens, so that the processes of the machine need not be told anew."""
    return ports.port(9000)


@pytest.fixture(scope="session")
def powered(tmp_path_factory: pytest.TempPathFactory, ports: PortKeeper, stripe_port: int) -> Iterator[Machine]:
    """The machine with its engines running, for the length of the session."""
    machine = Machine(tmp_path_factory.mktemp("faults"), ports, stripe_port)
    try:
        machine.boot()
        yield machine
    finally:
        machine.close()


@pytest.fixture
def machine(powered: Machine, django_db_blocker: DjangoDbBlocker, settings: Any) -> Iterator[Machine]:
    """The machine with an empty database, which is this process's database too; nothing of the product runs yet."""
    # Mended and at rest since the last test. Whatever is woken here would work beside a test that wants nobody to.
    powered.flush_broker()
    settings.SITE_URL, settings.STRIPE_API_BASE = powered.site, powered.stripe_base
    kept = {name: database.settings_dict[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD")}
    host = powered.environment["DATABASE_URL"].rpartition("host=")[2]
    with django_db_blocker.unblock():
        connections.close_all()
        database.settings_dict.update(HOST=host, PORT="", NAME="postgres", USER="millrace", PASSWORD="")
        try:
            call_command("flush", interactive=False, verbosity=0)
            yield powered
        finally:
            powered.mend()
            powered.rest()
            connections.close_all()
            database.settings_dict.update(kept)


@pytest.fixture
def stripe(settings: Any, stripe_port: int) -> Iterator[Sandbox]:
    """The sandbox, at the address that the machine knows. It sends by itself, and again soon what was not taken."""
    with serve(port=stripe_port) as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        sandbox.deliveries(retry_after=0.25, longest_pause=2, attempts=120, timeout=10)
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox) -> SandboxAccount:
    return stripe.account("main", local_webhooks=True)


@pytest.fixture
def connected(account: SandboxAccount, machine: Machine) -> Connection:
    """The account with all its resources, on the machine."""
    connection = setup.connect(account.key)
    for kind in KINDS:
        setup.add_resource(connection, Choice(kind, "new_only", "all", events.defaults(kind), ROWS))
    return Connection.objects.get(pk=connection.pk)


@pytest.fixture
def settled(stripe: Sandbox) -> Callable[[], bool]:
    """settled(): everything was delivered and worked."""
    return Settled(stripe)


@dataclass(frozen=True)
class Settled:
    stripe: Sandbox

    def __call__(self) -> bool:
        return bool(self.stripe.deliveries()["idle"]) and not unfinished()

    def __str__(self) -> str:
        """What is still to come, for a test that waited in vain."""
        left = _left().values_list("event_id", "state", "claims", "attempts", "lease_until", "last_error")
        return f"deliveries {self.stripe.deliveries()}, {unfinished()} events, among them {list(left[:10])}"


def unfinished() -> int:
    """Events that wait for somebody."""
    return _left().count()


def _left() -> QuerySet[InboundEvent]:
    return InboundEvent.objects.exclude(state__in=["done", "ignored", "dead"])


@pytest.fixture
def cookie(machine: Machine) -> str:
    """A signed-in admin's, for pages of the machine."""
    from django.test import Client

    from users.models import Role, User

    client = Client()
    client.force_login(User.objects.create_user("ada@example.com", role=Role.ADMIN, name="Ada Admin"))
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
