"""What people and workers do to one account's endpoint at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection as database

from connections import checks, setup, webhooks
from connections.models import Connection, ConnectionStatus, Resource
from connections.setup import Choice
from connections.sources.stripe import events
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS
from tests.connections.test_setup import endpoints
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]


def test_two_people_finish_at_once(account: SandboxAccount, live_hook: None, db: None) -> None:
    """Row 64: one connection, one endpoint, one resource, one import."""
    connection = setup.connect(account.key)
    choice = Choice("customer", "history_and_new", "all", events.defaults("customer"), ROWS)
    barrier = threading.Barrier(2)
    made: list[int] = []

    def finish() -> None:
        mine = Connection.objects.get(pk=connection.pk)
        barrier.wait(10)
        made.append(setup.add_resource(mine, choice).pk)
        database.close()

    threads = [threading.Thread(target=finish) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 2 and len(set(made)) == 1
    assert len(endpoints(account)) == 1
    resource = Resource.objects.get()
    assert resource.runs.count() == resource.mappings.count() == 1
    assert Connection.objects.get().endpoint_id == endpoints(account)[0]["id"]


def test_two_people_finish_different_resources_at_once(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """Row 64: each tells Stripe of what it knows; the check that follows tells of both."""
    connect("customer")
    checks.drain()
    connection = Connection.objects.get()
    stripe.faults(path="/v1/events", latency=500, count=2)

    def finish(kind: str) -> None:
        setup.add_resource(connection, setup.default_choice(kind, "new_only", ROWS))
        database.close()

    threads = [threading.Thread(target=finish, args=(kind,)) for kind in ("subscription", "checkout_session")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    checks.drain()
    wanted = events.wanted({kind: events.defaults(kind) for kind in ("customer", "subscription", "checkout_session")})
    assert sorted(endpoints(account)[0]["enabled_events"]) == wanted
    assert ConnectionStatus.objects.get().mended == ""


def test_what_we_did_to_the_endpoint_ourselves_is_no_fault_of_stripes(
    account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """Row 64: a check that read the account before somebody changed its resources, and what two leave who finish at
    once, of whom the slower notes its events last although Stripe took the other's last."""
    connect("customer")
    charge = connect("charge")
    before = Connection.objects.get()
    setup.remove_resource(charge)
    checks.check(before)
    Connection.objects.update(endpoint_events=[*Connection.objects.get().endpoint_events, "charge.succeeded"])
    checks.check(Connection.objects.get())
    # A worker that holds no secret makes another endpoint in place of this one.
    before = Connection.objects.get()
    Connection.objects.update(webhook_secret_sealed=None)
    webhooks.ensure(Connection.objects.get())
    assert endpoints(account)[0]["id"] != before.endpoint_id
    checks.check(before)
    status = ConnectionStatus.objects.get()
    assert (status.mended, status.mended_at) == ("", None)
    wanted = events.wanted({"customer": events.defaults("customer")})
    assert [sorted(one["enabled_events"]) for one in endpoints(account)] == [wanted]


@pytest.mark.parametrize("again", [False, True], ids=["disconnected", "and connected again"])
def test_an_endpoint_made_while_the_account_is_disconnected_goes_again(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect, again: bool
) -> None:
    """Rows 57 and 65: Stripe would mail the merchant about a leftover one, and what an account has that was connected
    again is its own."""
    connect("customer")
    webhooks.Client(account.key).delete(f"/v1/webhook_endpoints/{endpoints(account)[0]['id']}")
    stripe.faults(path="/v1/webhook_endpoints", method="POST", latency=1500)

    def check() -> None:
        checks.check(Connection.objects.get())
        database.close()

    thread = threading.Thread(target=check)
    thread.start()
    eventually(lambda: not stripe.call("GET", "faults", {})["faults"])
    setup.disconnect(Connection.objects.get())
    if again:
        connect("customer")
    mine = Connection.objects.get()
    thread.join(30)
    connection = Connection.objects.get()
    assert [one["id"] for one in endpoints(account)] == ([mine.endpoint_id] if again else [])
    kept = (
        "state",
        "endpoint_id",
        "endpoint_key",
        "webhook_secret_sealed",
        "previous_secret_sealed",
        "endpoint_events",
    )
    assert all(getattr(connection, field) == getattr(mine, field) for field in kept)
    assert (connection.state, bool(connection.endpoint_id)) == (("active", True) if again else ("disconnected", False))
