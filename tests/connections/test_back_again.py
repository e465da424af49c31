"""What changed while an account or a resource was not connected is learnt once it is back (A088, row 65)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import fetching, reconcile, setup, unread
from connections.models import Connection, ConnectionStatus, RemoteObject, Resource, SyncRun
from contacts.models import Activity, Contact
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.night_checks import undispatched
from tests.connections.test_app_pages import text

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
PAGE = "/apps/stripe/webhooks/"
BEGINS, FULL = "A check of every object begins in a moment", "Millrace was not connected for a while"


def caught_up() -> None:
    """Everything that is due, and what is put off behind it."""
    for _ in range(20):
        reconcile.drain()
        RemoteObject.objects.filter(wanted_at__gt=Now()).update(wanted_at=Now())
        work()
        if not SyncRun.objects.checks().open().exists() and not RemoteObject.objects.exclude(wanted_at=None).exists():
            return
    raise AssertionError("It is never done.")


def test_what_changed_while_the_account_was_disconnected(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Connect,
    deliver: Deliver,
    marketer_client: Client,
) -> None:
    """Name and phone of long ago, the product's name, the card's end. It starts nothing; what ended costs nothing."""
    stripe.set_clock(-600)
    connect("subscription")
    ada = account.create_customer(email="ada@mill.example", name="Ada Miller", phone="+49 30 1")
    account.subscribe(ada["id"], amount=4900, product="Mill")
    over = account.subscribe(ada["id"], amount=900, product="Over")
    account.alter(over["id"], event="customer.subscription.deleted", status="canceled")
    deliver()
    assert ConnectionStatus.objects.get().gap_since is None, "there was no absence"
    assert BEGINS not in text(marketer_client, PAGE)
    Activity.objects.update(dispatched_at=Now())
    setup.disconnect(Connection.objects.get())
    account.update_customer(ada["id"], name="Ada Baker", phone=None)
    for product in account.objects("product"):
        account.alter(product["id"], name=f"{product['name']}, renamed")
    for card in account.objects("payment_method"):
        account.alter(card["id"], card=card["card"] | {"exp_year": 2039})
    stripe.discard()
    stripe.set_clock(0)

    connect("subscription")
    assert BEGINS in text(marketer_client, PAGE)
    reconcile.drain(seconds=0)
    page = text(marketer_client, PAGE)
    assert BEGINS not in page and FULL in page and "Under way" in page and "It starts no automations" in page
    stripe.clear_requests()
    caught_up()

    running = RecurringPayment.objects.exclude(store_recurring_payment_id=over["id"]).get()
    assert running.line_item_names == ["Mill, renamed"]
    assert running.payment_method_expiration and running.payment_method_expiration.year == 2039
    assert undispatched() == 0
    assert len(stripe.requests("/v1/products")) == 1
    # As always where no resource of customers is connected, the contact follows with the subscription's next event.
    account.alter(running.store_recurring_payment_id, event="customer.subscription.updated", metadata={"a": "b"})
    deliver()
    contact = Contact.objects.get()
    assert (contact.name, contact.phone) == ("Ada Baker", "")
    assert ConnectionStatus.objects.get().gap_since is None, "once is enough"
    assert {run.kind for run in SyncRun.objects.checks()} == {"full_check"}


def test_what_changed_while_a_resource_was_removed(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    stripe.set_clock(-600)
    connect("charge")
    customers = connect("customer")
    ada = account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()
    setup.remove_resource(customers)
    account.update_customer(ada["id"], name="Ada Baker")
    stripe.discard()
    stripe.set_clock(0)
    Activity.objects.update(dispatched_at=Now())
    assert ConnectionStatus.objects.get().gap_since is None

    connect("customer")
    caught_up()

    assert Contact.objects.get().name == "Ada Baker"
    assert undispatched() == 0 and ConnectionStatus.objects.get().gap_since is None


def test_pages_of_a_check_read_a_shared_object_once(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A product that many subscriptions name is read once, however many pages name it."""
    connect("subscription")
    first = account.subscribe(None, amount=4900, product="Mill")
    account.subscribe(None, amount=4900, product="Mill", at=first["created"] - 400 * 86_400)
    deliver()
    RemoteObject.objects.update(as_of=Now() - timedelta(days=30))
    stripe.clear_requests()
    reconcile.start(Connection.objects.get(), full=True)
    caught_up()
    assert SyncRun.objects.checks().get().state == "done"
    assert len(stripe.requests("/v1/products")) == 1


def test_coupons_that_changed_are_read_anew_once_each(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A list may show a subscription's discount without its coupon."""
    connect("subscription")
    coupon = account.play("add_coupon", percent_off=25, duration="forever", name="Spring")
    for _ in range(2):
        account.subscribe(None, amount=4900, coupon=coupon["id"])
    deliver()
    caught_up()
    account.alter(coupon["id"], name="Summer")
    stripe.discard()
    RemoteObject.objects.update(as_of=Now() - timedelta(days=30))
    stripe.clear_requests()
    reconcile.start(Connection.objects.get(), full=True)
    caught_up()
    assert set(RecurringPayment.objects.values_list("discount_code", flat=True)) == {"Summer"}
    assert len(stripe.requests("/v1/coupons")) <= 1


@pytest.mark.parametrize("kind", ["product", "coupon"])
def test_a_right_that_is_lacking_is_found_by_asking_once(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver, kind: str
) -> None:
    """All of the kind are set aside; “Read again” reads them once the key has the right."""
    connection = connect("subscription").connection
    for number in range(3):
        coupon = account.play("add_coupon", percent_off=25, duration="forever", name=f"Spring {number}")
        account.subscribe(None, amount=4900, product=f"Mill {number}", coupon=coupon["id"])
    deliver()
    caught_up()
    right = {"product": "rak_product_read", "coupon": "rak_coupon_read"}[kind]
    words = f"Having the '{right}' permission would allow this request."
    stripe.faults(path=f"/v1/{kind}s", count=0, status=403, message=words)
    stripe.clear_requests()
    assert RemoteObject.objects.filter(type=kind, body__isnull=False).update(wanted_at=Now()) == 3
    fetching.drain()
    assert len(stripe.requests(f"/v1/{kind}s")) == 1
    assert unread.refused().filter(type=kind).count() == 3
    assert Connection.objects.get().missing_permissions == [right]
    stripe.clear_faults()
    assert unread.ask_again(connection) == 3
    fetching.drain()
    assert not unread.refused().exists()
