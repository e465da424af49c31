"""Requirements that cross several modules, each by the check its table names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from connections.models import Connection, FieldMapping, InboundEvent, Resource
from contacts.models import Contact, CustomField
from local.data import ROOT
from sandbox.stripe import Sandbox, SandboxAccount
from tests.live import CeleryWorker
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
PREFIX = "stripe-integration"


def waiting(client: Client) -> str:
    """The page of events that are not applied yet, without its line-break hints."""
    return client.get("/apps/stripe/log/waiting/").content.decode().replace("<wbr>", "")


def tags(contact: Contact) -> set[str]:
    return set(contact.tags.values_list("name", flat=True))


@pytest.fixture
def worker(live_hook: None, stripe: Sandbox, tmp_path: Path) -> Iterator[CeleryWorker]:
    """A worker that is not started yet; it will know this test's sandbox."""
    made = CeleryWorker(tmp_path / "worker.log", tmp_path / "schedule")
    yield made
    made.kill()


def test_nothing_is_kept_for_a_plan() -> None:
    """A002: no page offers a bigger plan; who may do what is a question of roles alone."""
    pages = [path.read_text().lower() for path in (ROOT / "templates").rglob("*.html")]
    assert pages
    for word in ("upgrade", "your plan", "pricing", "premium"):
        assert not [page for page in pages if word in page]


def test_the_card_leads_to_the_integration(marketer_client: Client) -> None:
    """D003: Apps, then Stripe, whose card says where it leads."""
    page = marketer_client.get("/apps/", {"q": "stripe"}).content.decode()
    assert 'href="/apps/stripe/"' in page and "View integration" in page
    assert marketer_client.get("/apps/stripe/").status_code == 200


def test_three_kinds_of_data_meet_on_one_contact(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A007: customer, subscription and checkout session of one person. Orders and payments come later."""
    for kind in ("customer", "subscription", "checkout_session"):
        connect(kind)
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(customer["id"], amount=2900, currency="eur")
    account.buy(email="ada@mill.example", name="Ada Miller", amount=4200, currency="eur")
    deliver()
    got = tags(Contact.objects.get())
    for event in ("customer.created", "customer.subscription.created", "checkout.session.completed"):
        assert f"{PREFIX}-{event}" in got


def test_a_changed_phone_reaches_the_mapped_field_and_tags_pile_up(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A014 A033: three events, one of them twice, leave four tags."""
    connect("customer", types=["customer.created", "customer.updated", "customer.deleted"])
    customer = account.create_customer(email="ada@mill.example", phone="+44 113 496 0000")
    deliver()
    account.update_customer(customer["id"], phone="+44 113 496 0999")
    deliver()
    contact = Contact.objects.get()
    assert contact.phone == "+44 113 496 0999"
    account.update_customer(customer["id"], name="Ada Miller")
    account.delete_customer(customer["id"])
    deliver()
    events = ("customer.created", "customer.updated", "customer.deleted")
    assert tags(contact) == {PREFIX, *(f"{PREFIX}-{event}" for event in events)}


def test_a_subscription_that_changes_and_a_trial_that_ends(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A016 A018: both are taken and tagged, on the one contact."""
    connect("subscription")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    subscription = account.subscribe(customer["id"], amount=2900, currency="eur", trial_days=14)
    deliver()
    account.modify_subscription(subscription["id"], metadata={"plan": "pro"})
    account.play("trial_will_end", subscription=subscription["id"])
    deliver()
    wanted = {f"{PREFIX}-customer.subscription.{end}" for end in ("created", "updated", "trial_will_end")}
    assert wanted <= tags(Contact.objects.get())


def test_an_invoice_that_changes(account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver) -> None:
    """A020."""
    connect("invoice")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(customer["id"], amount=2900, currency="eur")
    invoice = account.objects("invoice")[0]
    account.alter(invoice["id"], event="invoice.updated", description="Thank you")
    deliver()
    assert f"{PREFIX}-invoice.updated" in tags(Contact.objects.get())


def test_any_stripe_value_goes_to_any_field(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A061: the customer's city into a text field of one's own."""
    city = CustomField.objects.create(key="city", label="City", type="text")
    rows = [
        {"from": ["email"], "to": "email", "write": "always"},
        {"from": ["customer.address.city"], "to": city.target, "write": "always"},
    ]
    connect("customer", rows=rows)
    account.create_customer(email="ada@mill.example", address={"city": "Leeds", "country": "GB"})
    deliver()
    assert Contact.objects.get().custom == {"city": "Leeds"}


def test_the_web_stores_and_a_worker_applies(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, worker: CeleryWorker, marketer_client: Client
) -> None:
    """E002: without a worker the event is answered 200 and waits, and the page says so; with one it is applied."""
    connect("customer")
    account.create_customer(email="ada@mill.example", name="Ada Miller")
    assert [attempt["status"] for attempt in stripe.deliver()] == [200]
    assert InboundEvent.objects.count() == 1 and not Contact.objects.exists()
    assert "customer.created" in waiting(marketer_client)
    worker.start()
    eventually(Contact.objects.filter(email_key="ada@mill.example").exists, timeout=40)
    assert "customer.created" not in waiting(marketer_client)


def test_accounts_resources_mappings_and_contacts_are_models_with_pages(
    marketer_client: Client, connect: Connect
) -> None:
    """E007, but recurring payments, which come with their own story."""
    resource = connect("customer")
    contact = Contact.objects.create(email="ada@mill.example", email_key="ada@mill.example")
    assert {Connection, Resource, FieldMapping, Contact} <= set(apps.get_models())
    for path in (
        "/apps/stripe/",
        f"/apps/stripe/resources/{resource.pk}/",
        f"/apps/stripe/resources/{resource.pk}/mapping/",
        f"/contacts/{contact.pk}/",
    ):
        assert marketer_client.get(path).status_code == 200
