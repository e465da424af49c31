"""The five resources: what each of their events does to contacts, live and from history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connections.models import InboundEvent, Resource, SyncLogEntry
from contacts.models import Contact, CustomField
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
EMAIL = {"from": ["email"], "to": "email", "write": "always"}
NAME = {"from": ["customer.name"], "to": "name", "write": "always"}


def custom(key: str, type_: str = "text") -> str:
    return CustomField.objects.create(key=key, label=key.title(), type=type_).target


def row(source: str, target: str, write: str = "always") -> dict[str, Any]:
    return {"from": [source], "to": target, "write": write}


def results(event_type: str) -> list[str]:
    return list(SyncLogEntry.objects.filter(event_type=event_type).values_list("result", flat=True))


def tags(contact: Contact) -> set[str]:
    return {name.removeprefix("stripe-integration-") for name in contact.tags.values_list("name", flat=True)}


def test_charges(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
    """A011 A012: a charge of a known customer and a guest's, then a refund, each with its tag."""
    amount, refunded = custom("amount", "number"), custom("refunded")
    connect("charge", rows=[EMAIL, NAME, row("amount", amount), row("amount_refunded", refunded)])
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    charge = account.charge(customer["id"], amount=4900, currency="eur")
    account.charge(None, amount=700, currency="jpy", receipt_email="guest@mill.example")
    account.refund(charge["id"], amount=1000)
    stripe.deliver()
    work()
    ada, guest = Contact.objects.get(email_key="ada@mill.example"), Contact.objects.get(email_key="guest@mill.example")
    assert (ada.last_name, ada.custom) == ("Miller", {"amount": 49, "refunded": "10.00"})
    assert guest.custom == {"amount": 700, "refunded": "0"}
    assert not guest.identities.exists()
    assert {"charge.succeeded", "charge.refunded"} <= tags(ada) and "charge.refunded" not in tags(guest)


def test_subscriptions(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
    """A015 to A018: created, updated, deleted; email by way of the customer, price and product followed."""
    status, plan, product = custom("status"), custom("plan"), custom("product")
    rows = [EMAIL, NAME, row("status", status), row("price.unit_amount", plan), row("product.name", product)]
    connect("subscription", rows=rows)
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    subscription = account.subscribe(customer["id"], amount=2900, currency="eur", product="Mill Pro")
    stripe.deliver()
    work()
    ada = Contact.objects.get()
    assert ada.custom == {"status": "active", "plan": "29.00", "product": "Mill Pro"}
    account.cancel(subscription["id"])
    stripe.deliver()
    work()
    ada.refresh_from_db()
    assert ada.custom["status"] == "canceled"
    assert {"customer.subscription.created", "customer.subscription.deleted"} <= tags(ada)
    assert ada.identities.get().external_id == customer["id"]


def test_invoices(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
    """A019 to A023: created, updated, failed, succeeded; an upcoming one is worked from its payload."""
    number = custom("number")
    connect("invoice", rows=[EMAIL, row("number", number)])
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    subscription = account.subscribe(customer["id"], amount=2900, currency="eur")
    account.fail_payment(subscription["id"])
    account.recover(subscription["id"])
    account.play("upcoming_invoice", subscription=subscription["id"])
    stripe.deliver()
    work()
    assert not InboundEvent.objects.exclude(state__in=["done", "ignored"]).exists()
    assert {"invoice.created", "invoice.payment_failed", "invoice.payment_succeeded", "invoice.upcoming"} <= tags(
        Contact.objects.get()
    )
    assert results("invoice.upcoming") in (["unchanged"], ["updated"])


def test_checkout_sessions(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
    """A025: completed and the delayed payment's end; a guest is matched by the address typed at the till."""
    city, paid = custom("city"), custom("paid")
    connect(
        "checkout_session",
        rows=[EMAIL, row("customer_details.name", "name"), row("customer_details.address.city", city),
              row("payment_status", paid)],
    )  # fmt: skip
    account.buy(email="guest@mill.example", name="Gus van Til", amount=4200, currency="eur")
    session = account.buy(email="late@mill.example", name="Late Payer", amount=100, currency="eur", delayed=True)
    stripe.deliver()
    work()
    guest = Contact.objects.get(email_key="guest@mill.example")
    assert (guest.first_name, guest.last_name, guest.custom["paid"]) == ("Gus", "van Til", "paid")
    late = Contact.objects.get(email_key="late@mill.example")
    assert late.custom["paid"] == "unpaid"
    account.play("settle_session", session=session["id"])
    stripe.deliver()
    work()
    late.refresh_from_db()
    assert late.custom["paid"] == "paid"
    assert "checkout.session.async_payment_succeeded" in tags(late)


@pytest.mark.parametrize("kind", ["charge", "subscription", "invoice", "checkout_session"])
def test_history_of_every_resource(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None, kind: str
) -> None:
    """A051: customers come along in the same call, so history asks for none one by one."""
    stripe.set_clock(-60)
    for number in range(8):
        customer = account.create_customer(email=f"c{number}@mill.example", name=f"Cy {number}")
        account.subscribe(customer["id"], amount=1000, currency="eur")
        account.buy(customer=customer["id"], amount=500, currency="eur")
    stripe.set_clock(0)
    stripe.discard()
    stripe.clear_requests()
    run = connect(kind, sync="history_and_new").runs.get()
    work()
    run.refresh_from_db()
    assert (run.state, run.failed, run.listed) == ("done", 0, run.seen)
    assert Contact.objects.count() == 8
    assert len(stripe.requests("/v1/customers/")) == 0
    assert not InboundEvent.objects.exclude(state__in=["done", "ignored"]).exists()


def test_a_phone_of_an_old_charge_never_replaces_a_fresher_one(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """design.md 4: a contact field takes only a newer fact than it holds."""
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller", phone="fresh")
    stripe.discard()
    connect("customer", sync="history_and_new")
    work()
    old = {"name": "Ada Miller", "phone": "old", "email": "ada@mill.example", "address": None}
    charge = account.charge(customer["id"], amount=100, currency="eur", at=1_720_000_000)
    account.alter(charge["id"], billing_details=old)
    connect("charge", sync="history_and_new", rows=[EMAIL, row("billing_details.phone", "phone")])
    work()
    assert SyncLogEntry.objects.filter(object_id=charge["id"], via="history").exists()
    assert Contact.objects.get().phone == "fresh"


def test_only_if_empty(account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None) -> None:
    rows = [EMAIL, row("customer.phone", "phone", "if_empty")]
    connect("customer", rows=rows)
    customer = account.create_customer(email="ada@mill.example", phone="first")
    stripe.deliver()
    work()
    Contact.objects.update(phone="by hand")
    account.update_customer(customer["id"], phone="second")
    stripe.deliver()
    work()
    assert Contact.objects.get().phone == "by hand"


def test_an_address_of_another_contact_is_kept_apart(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """Row 27: no merge, nothing lost, and the log says so."""
    connect("customer")
    account.create_customer(email="b@mill.example", name="Bo B")
    customer = account.create_customer(email="a@mill.example", name="Al A")
    stripe.deliver()
    work()
    account.update_customer(customer["id"], email="b@mill.example")
    stripe.deliver()
    work()
    al = Contact.objects.get(first_name="Al")
    assert al.email == "a@mill.example" and al.identities.get().email == "b@mill.example"
    assert "belongs to another contact" in SyncLogEntry.objects.get(event_type="customer.updated").reason


def test_two_customers_with_one_address_are_one_contact(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    connect("customer")
    for _ in range(2):
        account.create_customer(email="Ada@Mill.example", name="Ada Miller")
    stripe.deliver()
    work()
    assert Contact.objects.get().identities.count() == 2


def test_a_value_that_does_not_fit_is_a_warning_and_the_rest_is_written(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    connect("customer", rows=[EMAIL, NAME, row("customer.phone", custom("extension", "number"))])
    account.create_customer(email="ada@mill.example", name="Ada Miller", phone="not a number")
    stripe.deliver()
    work()
    entry = SyncLogEntry.objects.get()
    assert Contact.objects.get().last_name == "Miller"
    assert entry.warnings == ["Row 3, Extension: “not a number” is not a number."]


def test_a_dispute_reaches_the_payer(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """The dispute tells of its charge, and that of its customer: both are read from Stripe when not held."""
    stripe.set_clock(-60)
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    charge = account.charge(customer["id"], amount=4900, currency="eur")
    stripe.set_clock(0)
    stripe.discard()
    connect("charge", rows=[EMAIL, NAME], types=["charge.dispute.created"])
    account.dispute(charge["id"])
    stripe.deliver()
    work()
    assert "charge.dispute.created" in tags(Contact.objects.get(last_name="Miller"))


def test_a_changed_mapping_applies_forward_only(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    """A077 A078."""
    from connections import setup

    resource = connect("customer", rows=[EMAIL])
    first = account.create_customer(email="ada@mill.example", name="Ada Miller")
    stripe.deliver()
    work()
    setup.write_mapping(resource, [EMAIL, NAME])
    account.create_customer(email="bo@mill.example", name="Bo Weaver")
    stripe.deliver()
    work()
    assert Contact.objects.get(email="bo@mill.example").last_name == "Weaver"
    assert Contact.objects.get(email="ada@mill.example").last_name == ""
    account.update_customer(first["id"], phone="1")
    stripe.deliver()
    work()
    assert Contact.objects.get(email="ada@mill.example").last_name == "Miller"
    assert [m.number for m in resource.mappings.order_by("number")] == [1, 2]


@pytest.mark.parametrize("version", ["2020-08-27", "2022-11-15", "2025-01-27.acacia"])
def test_events_in_older_shapes(stripe: Sandbox, connect: Connect, settings: Any, version: str) -> None:
    """stripe.md 0.2: the poll returns events in the version of their birth."""
    shy = stripe.account("old", local_webhooks=False, api_version=version)
    ends = custom("ends", "datetime")
    rows = [EMAIL, NAME, row("current_period_end", ends)]
    connect("subscription", key=shy.key, rows=rows)
    customer = shy.create_customer(email="ada@mill.example", name="Ada Miller")
    subscription = shy.subscribe(customer["id"], amount=2900, currency="eur")
    work()
    ada = Contact.objects.get()
    assert ada.last_name == "Miller"
    assert ada.custom["ends"].startswith("20"), subscription
