"""From a paste of a key to a contact: connect, event, inbox, object, contact, tags, timeline, log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry
from contacts.models import Activity, Contact
from sandbox.stripe import Sandbox, SandboxAccount

pytestmark = pytest.mark.django_db(transaction=True)

Deliver = Callable[[], list[Any]]


def test_an_event_makes_a_contact(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], deliver: Deliver
) -> None:
    """A006 A009 A013 A031 A032 A058 A060: created from a webhook, with name split, tags, timeline and log."""
    resource = connect("customer")
    account.create_customer(email="Ada@Mill.example", name="Ada de la Cruz", phone="+44 113 496 0000")

    attempts = deliver()

    assert [attempt["status"] for attempt in attempts] == [200]
    contact = Contact.objects.get()
    assert (contact.email, contact.email_key) == ("Ada@Mill.example", "ada@mill.example")
    assert (contact.first_name, contact.last_name, contact.phone) == ("Ada", "de la Cruz", "+44 113 496 0000")
    assert set(contact.tags.values_list("name", flat=True)) == {
        "stripe-integration",
        "stripe-integration-customer.created",
    }
    assert list(contact.identities.values_list("account", flat=True)) == [account.id]
    entry = SyncLogEntry.objects.get()
    assert (entry.result, entry.via, entry.event_type) == ("created", "webhook", "customer.created")
    assert {change["field"]: change["row"] for change in entry.changes} == {
        "email": 1,
        "first_name": 2,
        "last_name": 2,
        "phone": 3,
    }
    assert contact.facts["phone"].popitem()[1]["log"] == entry.pk
    assert set(Activity.objects.values_list("kind", flat=True)) == {"contact.created", "source.event", "tag.added"}
    assert RemoteObject.objects.get().body["email"] == "Ada@Mill.example"
    assert resource.connection.endpoint_id


def test_the_same_delivery_fifty_times_is_one_event(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], deliver: Deliver
) -> None:
    """A010 A033, reliability 1."""
    connect("customer")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    event = account.events("customer.created")[-1]
    for _ in range(50):
        account.resend(event["id"])
    deliver()
    account.resend(event["id"])
    deliver()

    assert InboundEvent.objects.count() == SyncLogEntry.objects.count() == 1
    before = Activity.objects.count()
    account.update_customer(customer["id"], phone="+49 30 901820")
    deliver()
    assert Contact.objects.get().phone == "+49 30 901820"
    # One for the event, one for the change, one for the new tag.
    assert Activity.objects.count() == before + 3


def test_history_and_new_brings_both(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], deliver: Deliver, stripe: Sandbox
) -> None:
    """A051: every existing customer, one log row each, and then live events."""
    account.play("grow", count=250)
    stripe.discard()
    resource = connect("customer", sync="history_and_new")
    deliver()

    run = resource.runs.get()
    assert (run.state, run.listed, run.created + run.unchanged + run.updated + run.skipped) == ("done", 250, 250)
    assert SyncLogEntry.objects.filter(via="history").count() == 250
    assert Contact.objects.count() == run.created
    assert not Activity.objects.filter(dispatched_at__isnull=True).exists()
    account.create_customer(email="new@mill.example", name="New One")
    deliver()
    assert Contact.objects.filter(email="new@mill.example").exists()


def test_new_only_brings_nothing_old(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], deliver: Deliver, stripe: Sandbox
) -> None:
    """A052."""
    stripe.set_clock(-60)
    account.create_customer(email="old@mill.example")
    stripe.set_clock(0)
    stripe.discard()
    connect("customer", sync="new_only")
    deliver()
    assert not Contact.objects.exists()


def test_an_account_that_refuses_our_address_is_polled(
    stripe: Sandbox, connect: Callable[..., Resource], settings: Any
) -> None:
    """stripe.md 0.9: polling chosen by itself."""
    from tests.connections.conftest import work

    shy = stripe.account("shy", local_webhooks=False)
    resource = connect("customer", key=shy.key)
    assert Connection.objects.get().polls
    shy.create_customer(email="ada@mill.example", name="Ada Miller")
    work()
    assert Contact.objects.get().first_name == "Ada"
    assert SyncLogEntry.objects.get().via == "poll"
    assert resource.connection.endpoint_id == ""
