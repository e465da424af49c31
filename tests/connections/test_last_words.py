"""What a deleted customer leaves behind: the last that was told of them, in whatever order it came."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from common.fields import Field, FieldType
from connections import inbox, mapping, remote_objects, setup
from connections.models import Connection, RemoteObject, Resource
from connections.sources.base import HeldObject, ObjectState, View
from connections.sources.stripe import shapes
from contacts.models import Contact
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.imports import walk
from tests.connections.test_guard import START, event

pytestmark = pytest.mark.django_db(transaction=True)
STUB = {"id": "cus_1", "object": "customer", "deleted": True}
CHAIN = [
    {"from": ["email"], "to": "email"},
    {"from": ["customer.name", "billing_details.name"], "to": "name"},
    {"from": ["customer.phone", "billing_details.phone"], "to": "phone"},
]


def fields() -> tuple[str, str, str]:
    contact = Contact.objects.get()
    return contact.first_name, contact.last_name, contact.phone


def read_as_gone(at: int) -> None:
    state = ObjectState("customer", "cus_1", shapes.moment(at), STUB, deleted=True, fetched=True)  # type: ignore[arg-type]
    remote_objects.hold(Connection.objects.get(), [state], set())


@pytest.mark.parametrize("kind", ["subscription", "charge"])
def test_history_of_a_deleted_customer_leaves_the_contact_as_it_was(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    deliver: Callable[[], list[Any]],
    kind: str,
) -> None:
    """Design 2, deletion: the contact stays, marked. Its record brings nothing but the customer's id by then."""
    connect(kind)
    connect("customer", types=["customer.created", "customer.deleted"])
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller", phone="+1")
    account.charge(customer["id"], amount=900, currency="eur")
    account.subscribe(customer["id"])
    account.delete_customer(customer["id"])
    deliver()
    assert fields() == ("Ada", "Miller", "+1")
    # Read later than the customer was deleted, also by Stripe's clock.
    stripe.set_clock(600)
    setup.remove_resource(Resource.objects.get(kind=kind))
    run = walk(connect(kind, sync="history_and_new").runs.get())
    assert (run.state, run.failed) == ("done", 0) and run.listed
    assert fields() == ("Ada", "Miller", "+1")
    held = RemoteObject.objects.get(type="customer")
    assert held.deleted_at and held.body and held.body["phone"] == "+1"


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4))))
def test_a_read_that_finds_nobody_any_more_may_come_at_any_time(
    receive: Callable[..., None], arrival: tuple[int, ...]
) -> None:
    """The newest state from before counts, and no event brings the customer back."""
    told = [
        lambda: receive(event(1, "customer.created", START, phone="1", name="Ada One")),
        lambda: receive(event(2, "customer.updated", START + 9, phone="2", name="Ada", previous={"phone": "1"})),
        lambda: receive(event(3, "customer.deleted", START + 20, phone="2", name="Ada Two")),
        lambda: read_as_gone(START + 60),
    ]
    for place in arrival:
        told[place]()
    inbox.drain()
    assert fields() == ("Ada", "Two", "2")
    held = RemoteObject.objects.get()
    assert (held.as_of, held.deleted_at) == (shapes.moment(START + 20), shapes.moment(START + 60))
    assert held.body and held.body["name"] == "Ada Two" and held.wanted_at is None
    assert Contact.objects.get().source_deleted_at


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(3))))
def test_of_states_in_one_second_from_before_the_end_always_the_same_counts(
    receive: Callable[..., None], arrival: tuple[int, ...]
) -> None:
    """Nobody could be asked any more, so nobody waits."""
    told = [
        lambda: receive(event(1, "customer.updated", START, phone="1")),
        lambda: receive(event(2, "customer.updated", START, phone="2")),
        lambda: receive(event(3, "customer.updated", START, phone="3")),
    ]
    receive(event(0, "customer.created", START - 60))
    read_as_gone(START + 60)
    for place in arrival:
        told[place]()
    assert fields() == ("Ada", "Miller", "3")
    assert not RemoteObject.objects.filter(wanted_at__isnull=False).exists()


def test_what_was_said_before_the_end_keeps_nobody_from_looking_again(receive: Callable[..., None]) -> None:
    """An event of a deleted customer waits until it is read; a late one of before must not leave it waiting."""
    receive(event(1, "customer.created", START, phone="1"))
    read_as_gone(START + 60)
    receive(event(3, "customer.updated", START + 90, phone="3"))
    receive(event(2, "customer.updated", START + 30, phone="2"))
    assert RemoteObject.objects.get().wanted_at and fields()[2] == "2"


def test_a_customer_whose_deletion_is_read_keeps_the_name_and_phone_we_knew(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], deliver: Callable[[], list[Any]]
) -> None:
    """Nobody told us: the object is wished for again, and Stripe answers with its id alone."""
    connect("subscription")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller", phone="+1")
    account.subscribe(customer["id"])
    deliver()
    account.delete_customer(customer["id"])
    stripe.discard()
    RemoteObject.objects.filter(type="customer").update(wanted_at="2020-01-01T00:00:00Z")
    work()
    held = RemoteObject.objects.get(type="customer")
    assert held.deleted_at and held.wanted_at is None and held.body and held.body["phone"] == "+1"
    assert fields() == ("Ada", "Miller", "+1")


def test_what_a_customer_lost_is_withdrawn_though_another_key_is_tried_next(
    account: SandboxAccount, connect: Callable[..., Resource], deliver: Callable[[], list[Any]]
) -> None:
    """A014: the obvious rows of a charge look at its billing details after the customer."""
    connect("charge", rows=CHAIN)
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller", phone="+1")
    account.charge(customer["id"], amount=900, currency="eur")
    deliver()
    assert fields() == ("Ada", "Miller", "+1")
    account.update_customer(customer["id"], phone=None)
    account.charge(customer["id"], amount=900, currency="eur")
    deliver()
    assert fields() == ("Ada", "Miller", "")
    entry = Contact.objects.get().activities.filter(kind="contact.updated").latest("pk")
    assert [(change["field"], change["old"], change["new"]) for change in entry.changes] == [("phone", "+1", None)]


@pytest.mark.parametrize(
    ("customer", "gone", "told"),
    [
        (STUB, True, []),
        (STUB | {"phone": None, "email": "ada@mill.example"}, True, ["stripe:customer:cus_1"]),
        (STUB | {"phone": None}, False, ["stripe:customer:cus_1"]),
    ],
    ids=["only an id is left", "last words without a phone", "there"],
)
@pytest.mark.parametrize("billing", [None, "+2"])
def test_who_withdraws_a_phone(customer: dict[str, Any], gone: bool, told: list[str], billing: str | None) -> None:
    """What was last told says what holds, alive or gone, so that any order of arrival ends the same; a stub tells
    nothing.
    """
    own = {
        "id": "ch_1",
        "object": "charge",
        "customer": "cus_1",
        "created": START,
        "billing_details": {"phone": billing},
    }
    now = datetime.fromtimestamp(START + 60, UTC)
    held = {"customer:cus_1": HeldObject("customer", "cus_1", now, customer, gone=gone)}
    view = View("charge", HeldObject("charge", "ch_1", now, own), held)
    mapped = mapping.apply(CHAIN[2:], view, {"phone": Field("phone", "Phone", FieldType.TEXT)})
    told_of = {fact.slot: fact.value for fact in (*mapped.facts, *mapped.withdrawn)}
    assert told_of == {"stripe:charge": billing} | dict.fromkeys(told)


def test_a_recurring_payment_keeps_the_address_of_a_deleted_customer(
    account: SandboxAccount, connect: Callable[..., Resource], deliver: Callable[[], list[Any]]
) -> None:
    """Fields 36 to 47: who left is whom one wants to win back."""
    connect("subscription")
    shipping = {"name": "Ada Miller", "phone": "+1", "address": {"line1": "12 Mill Lane", "city": "Leeds"}}
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller", shipping=shipping)
    account.subscribe(customer["id"])
    deliver()
    before = RecurringPayment.objects.values("shipping_line1", "shipping_email", "email").get()
    assert before["shipping_line1"] == "12 Mill Lane" and before["shipping_email"] == "ada@mill.example"
    account.delete_customer(customer["id"])
    deliver()
    assert RemoteObject.objects.get(type="customer").deleted_at
    assert RecurringPayment.objects.values("shipping_line1", "shipping_email", "email").get() == before
