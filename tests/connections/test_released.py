"""Events that wait for an object go on when it comes, whoever brings it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connections import inbox
from connections.models import InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.tasks import release_held
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.imports import walk

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]


def states() -> list[str]:
    return list(InboundEvent.objects.filter(type="charge.succeeded").values_list("state", flat=True))


@pytest.fixture
def waiting(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> str:
    """The id of a customer, not held yet, that the event of a charge waits for."""
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    # The first one gives the customer a card, of which Stripe tells, too.
    account.charge(customer["id"], amount=1, currency="eur")
    stripe.discard()
    connect("charge", types=["charge.succeeded"])
    account.charge(customer["id"], amount=4900, currency="eur")
    stripe.deliver()
    inbox.drain()
    assert states() == ["waiting"]
    return str(customer["id"])


def test_an_event_goes_on_when_an_import_brought_what_it_waits_for(waiting: str, connect: Connect) -> None:
    """E002: the import's page ends the wish, so nobody asks for the object, and nobody else releases the event."""
    walk(connect("customer", sync="history_and_new").runs.get())
    assert RemoteObject.objects.get(external_id=waiting).wanted_at is None
    release_held()
    inbox.drain()
    assert states() == ["done"]
    assert SyncLogEntry.objects.get(event_type="charge.succeeded").contact is not None


def test_an_event_whose_object_is_still_wished_for_goes_on_waiting(waiting: str) -> None:
    release_held()
    assert states() == ["waiting"]
