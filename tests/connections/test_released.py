"""Events that wait for an object go on when it comes, whoever brings it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common.due import database_now
from connections import fetching, inbox, rederiving, setup
from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.tasks import release_held
from contacts.models import Contact
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.imports import walk
from tests.connections.night_checks import checked

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
    inbox.drain()
    assert set(states()) == {"done"}
    assert SyncLogEntry.objects.get(event_type="charge.succeeded").contact is not None


def test_an_event_goes_on_when_a_check_brought_what_it_waits_for(waiting: str) -> None:
    # It lacks the charge, and brings it with its customer.
    RemoteObject.objects.filter(type="charge").delete()
    checked(Connection.objects.get(), full=True)
    assert RemoteObject.objects.get(external_id=waiting).wanted_at is None
    # Of the same second it may be asked for itself, too.
    work()
    assert set(states()) == {"done"}


def test_an_event_that_nobody_released_goes_on_all_the_same(waiting: str) -> None:
    """As those that a version before has left behind."""
    RemoteObject.objects.filter(external_id=waiting).update(wanted_at=None, body={"id": waiting, "object": "customer"})
    assert release_held() is None and states() == ["due"]


def test_an_event_whose_object_is_still_wished_for_goes_on_waiting(waiting: str) -> None:
    release_held()
    assert states() == ["waiting"]


def test_what_is_read_is_told_by_the_status_map_of_now(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """A walk over what is wanted has begun when somebody saves another map."""
    before = connect("subscription").connection
    account.subscribe(None, amount=2900, currency="eur")
    stripe.deliver()
    work()
    setup.change_status_map(Connection.objects.get(), {"active": "PENDING"})
    rederiving.drain()
    assert RecurringPayment.objects.get().normalized_status == "PENDING"
    product = RemoteObject.objects.get(type="product")
    product.wanted_at = database_now()
    product.save()
    fetching._fetch_each(before, [product])
    product.refresh_from_db()
    assert product.wanted_at is None and RecurringPayment.objects.get().normalized_status == "PENDING"


def test_what_stripe_does_not_have_is_dated_by_its_clock(connect: Connect) -> None:
    """By ours, should it be ahead, what Stripe tells next would seem to be old."""
    connection = connect("customer").connection
    RemoteObject.objects.create(connection=connection, type="product", external_id="prod_no", wanted_at=database_now())
    fetching.drain()
    gone = RemoteObject.objects.get(external_id="prod_no")
    # Stripe's clock has whole seconds.
    assert gone.deleted_at and gone.as_of and gone.as_of.microsecond == 0


def test_an_event_waits_for_what_a_newer_one_of_its_batch_names(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """Both are mapped from the state that is held in the end: else the first would tell of half of it."""
    row = {"from": ["email"], "to": "email", "write": "always"}
    connect("subscription", rows=[row, {"from": ["product.name"], "to": "phone", "write": "always"}])
    products = [account.play("add_product", name=name) for name in ("Mill", "Grain")]
    prices = [
        account.play("add_price", product=product["id"], unit_amount=900, currency="eur", interval="month")
        for product in products
    ]
    made = account.subscribe(None, prices=[prices[0]["id"]])
    stripe.deliver()
    work()
    assert Contact.objects.get().phone == "Mill"
    updated = "customer.subscription.updated"
    account.alter(made["id"], event=updated, description="Soon more")
    (item,) = made["items"]["data"]
    more = made["items"] | {"data": [item, item | {"id": "si_more", "price": prices[1]}]}
    account.alter(made["id"], event=updated, items=more)
    stripe.deliver()
    inbox.drain()
    waiting = InboundEvent.objects.filter(type=updated)
    assert set(waiting.values_list("state", flat=True)) == {"waiting"} and waiting.count() == 2
    work()
    assert Contact.objects.get().phone == "Mill, Grain"
    assert not SyncLogEntry.objects.filter(event_type=updated, changes__contains=[{"field": "phone", "new": "Mill"}])
