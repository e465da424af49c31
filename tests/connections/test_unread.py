"""Objects that Stripe refuses to show, or that we cannot work on: no deletion, told, and nobody else held up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connections import fetching, inbox, rederiving, underived_pages, unread
from connections.models import (
    Connection,
    ConnectionStatus,
    FailedDerivation,
    InboundEvent,
    RemoteObject,
    Resource,
    SyncLogEntry,
)
from contacts.models import Contact
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.imports import audit, walk
from tests.connections.test_app_pages import APP, text
from tests.connections.test_guard import START, event

pytestmark = pytest.mark.django_db(transaction=True)
FORBIDDEN = {"status": 403, "message": "Having the 'rak_customer_read' permission would allow this request."}
REFUSED = {"status": 400, "message": "This object cannot be shown."}
Receive = Callable[..., None]


def settle() -> None:
    """Wishes and events that wait for them; Stripe's own events are not asked for."""
    for _ in range(3):
        fetching.drain()
        inbox.drain()


def states() -> set[str]:
    return set(InboundEvent.objects.values_list("state", flat=True))


@contextmanager
def refused(table: str, rule: str) -> Iterator[None]:
    """Rows that break the rule are refused by the database, as by a bug that nobody foresaw."""
    with database.cursor() as cursor:
        cursor.execute(f"alter table {table} add constraint planted check ({rule}) not valid")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute(f"alter table {table} drop constraint planted")


@pytest.mark.parametrize("refusal", [FORBIDDEN, REFUSED])
def test_what_may_not_be_read_is_not_deleted(
    receive: Receive, account: SandboxAccount, stripe: Sandbox, marketer_client: Client, refusal: dict[str, Any]
) -> None:
    """Row 50: events that contradict each other, and nobody may read which is right: the last one counts."""
    customer = account.create_customer(email="ada@mill.example", phone="truth")
    stripe.discard()
    stripe.faults(path="/v1/customers/", count=0, **refusal)
    one, two = (event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2))
    receive(one, two)
    settle()
    assert states() == {"done"}
    held = RemoteObject.objects.get(external_id=customer["id"])
    contact = Contact.objects.get()
    assert (held.deleted_at, contact.source_deleted_at, contact.phone) == (None, None, "guess 2")
    page = text(marketer_client, APP)
    assert "1 object of" in page and "could not be read from Stripe" in page
    lacking = ["rak_customer_read"] if refusal is FORBIDDEN else []
    assert Connection.objects.get().missing_permissions == lacking
    assert ("rak_customer_read" in page, "This object cannot be shown." in page) == (bool(lacking), not lacking)

    guessed = SyncLogEntry.objects.get(event_id="evt_2")
    assert guessed.reason.startswith("Another event of the same second tells a different state, and Stripe could not")
    assert guessed.reason in text(marketer_client, "/apps/stripe/log/") and guessed.result == "updated"

    receive(event(3, "customer.updated", START + 9, id=customer["id"], phone="3", previous={"phone": "guess 2"}))
    assert (Contact.objects.get().phone, states()) == ("3", {"done"})
    assert set(SyncLogEntry.objects.exclude(pk=guessed.pk).values_list("reason", flat=True)) == {""}

    receive(event(4, "customer.deleted", START + 10, id=customer["id"]))
    receive(event(5, "customer.updated", START + 11, id=customer["id"], phone="back", previous={"phone": "3"}))
    settle()
    assert SyncLogEntry.objects.get(event_id="evt_5").reason.startswith("This undoes what Stripe never undoes")


def test_what_is_granted_later_is_read_then(
    receive: Receive, account: SandboxAccount, stripe: Sandbox, marketer_client: Client
) -> None:
    """“Read again” looks at what the key may do by now."""
    customer = account.create_customer(email="ada@mill.example", phone="truth")
    stripe.discard()
    stripe.faults(path="/v1/customers/", count=0, **FORBIDDEN)
    receive(*(event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2)))
    settle()
    assert unread.refused().count() == 1
    stripe.clear_faults()
    again = reverse("connections:read-again", args=[Connection.objects.get().pk])
    assert marketer_client.post(again, follow=True).status_code == 200
    settle()
    assert RemoteObject.objects.get(external_id=customer["id"]).body["phone"] == "truth"
    assert not unread.refused().exists() and Connection.objects.get().missing_permissions == []
    assert "could not be read from Stripe" not in text(marketer_client, APP)


def test_an_import_takes_what_may_not_be_read_for_no_deletion(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], marketer_client: Client
) -> None:
    """The right is named; once it is given, what was left out is read and shows."""
    product = account.play("add_product", name="Mill Pro")
    price = account.play("add_price", product=product["id"], unit_amount=900, currency="eur", interval="month")
    account.subscribe(None, prices=[price["id"]], at=int(time.time()) - 9000)
    account.subscribe(None, prices=[price["id"]], at=int(time.time()) - 900_000)
    stripe.discard()
    refusal = "Having the 'rak_product_read' permission would allow this request."
    stripe.faults(path="/v1/products/", count=0, status=403, message=refusal)
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "phone"}]
    run = walk(connect("subscription", sync="history_and_new", rows=rows).runs.get())
    audit(run, 2)
    key = f"product:{product['id']}"
    assert set(SyncLogEntry.objects.values_list("warnings__0", flat=True)) == {f"Not read yet, so left empty: {key}."}
    settle()
    underived_pages.drain()
    settle()
    assert "rak_product_read" in text(marketer_client, APP)
    assert not RecurringPayment.objects.filter(line_item_names__contains=["Mill Pro"]).exists()

    stripe.clear_faults()
    marketer_client.post(reverse("connections:read-again", args=[Connection.objects.get().pk]))
    settle()
    rederiving.drain()
    assert RecurringPayment.objects.filter(line_item_names__contains=["Mill Pro"]).count() == 2


def test_any_state_replaces_what_stands_in_for_an_object_never_read(
    receive: Receive, account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource]
) -> None:
    """The customer of a charge may not be read; its own event, though older than that refusal, says who it is."""
    connect("charge")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    stripe.faults(path="/v1/customers/", count=0, **FORBIDDEN)
    receive(charge(1))
    settle()
    assert states() == {"done"} and RemoteObject.objects.get(type="customer").deleted_at
    stripe.clear_requests()
    receive(event(2, "customer.updated", START + 5, phone="known"))
    assert (Contact.objects.get().phone, Contact.objects.get().source_deleted_at) == ("known", None)
    assert not unread.refused().exists() and not stripe.requests("/v1/customers/")


def test_an_object_that_cannot_be_stored_fails_alone(account: SandboxAccount, connect: Callable[..., Resource]) -> None:
    """Those asked for with it are stored; it is tried again, and at last set aside where it can be seen."""
    connection = connect("customer").connection
    ids = [account.create_customer(email=f"c{number}@mill.example")["id"] for number in range(4)]
    for external_id in ids:
        RemoteObject.objects.create(connection=connection, type="customer", external_id=external_id, wanted_at=Now())
    with refused("connections_remoteobject", f"external_id <> '{ids[0]}' or body is null"):
        fetching.drain()
        odd, *others = RemoteObject.objects.filter(type="customer").order_by("pk")
        assert all(row.body and row.wanted_at is None for row in others)
        assert odd.body is None and odd.wanted_attempts == 1 and "planted" in odd.wanted_error
    # It goes on until nothing is left to hope for.
    RemoteObject.objects.filter(pk=odd.pk).update(wanted_attempts=fetching.ENOUGH - 1, wanted_at=Now())
    with refused("connections_remoteobject", f"external_id <> '{ids[0]}' or wanted_at is not null or as_of is null"):
        fetching.drain()
    assert [row.pk for row in unread.refused()] == [odd.pk]


def test_an_answer_that_is_none_is_not_asked_for_for_ever(
    receive: Receive, account: SandboxAccount, stripe: Sandbox
) -> None:
    """A page in place of the object, each time: who waited for it goes on in the end."""
    customer = account.create_customer(email="ada@mill.example")
    stripe.discard()
    stripe.faults(path="/v1/customers/", count=1, status=503)
    receive(*(event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2)))
    settle()
    stripe.faults(path="/v1/customers/", count=0, html=True, status=200)
    for _ in range(2):
        assert "waiting" in states()
        RemoteObject.objects.filter(external_id=customer["id"]).update(
            wanted_attempts=fetching.ENOUGH - 1, wanted_at=Now()
        )
        ConnectionStatus.objects.update(throttled_until=None)
        # Unlike the one before, which Stripe left unanswered, the first counts anew.
        settle()
    assert states() == {"done"} and unread.refused().get().external_id == customer["id"]


def test_a_refusal_of_a_moment_holds_up_no_other_object(
    account: SandboxAccount, connect: Callable[..., Resource], stripe: Sandbox
) -> None:
    connection = connect("customer").connection
    ids = [account.create_customer(email=f"c{number}@mill.example")["id"] for number in range(3)]
    for external_id in ids:
        RemoteObject.objects.create(connection=connection, type="customer", external_id=external_id, wanted_at=Now())
    stripe.faults(path="/v1/customers/", status=500, count=1)
    fetching.drain()
    refused, *others = RemoteObject.objects.filter(external_id__in=ids).order_by("pk")
    assert refused.wanted_attempts == 1 and len(stripe.requests("/v1/customers/")) == 1
    assert set(fetching.due().values_list("pk", flat=True)) == {row.pk for row in others}
    ConnectionStatus.objects.update(throttled_until=None)
    fetching.drain()
    assert RemoteObject.objects.filter(external_id__in=ids, body=None).get() == refused


def test_what_alone_gets_no_answer_is_given_up_in_the_end_and_told(
    receive: Receive, account: SandboxAccount, stripe: Sandbox, marketer_client: Client
) -> None:
    """Not while Stripe is away for everything, nor by what fails once after that, nor by tries in quick succession."""
    customer = account.create_customer(email="ada@mill.example")
    stripe.discard()
    stripe.faults(path="/v1/customers/", count=0, status=503, retry_after="1")
    receive(*(event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2)))
    row = RemoteObject.objects.filter(external_id=customer["id"])

    def next_try(polled: timedelta) -> RemoteObject:
        row.update(wanted_at=Now())
        ConnectionStatus.objects.update(throttled_until=None, polled_at=Now() - polled)
        settle()
        return row.get()

    away = [next_try(timedelta(hours=4)) for _ in range(fetching.ENOUGH + 1)][-1]
    assert away.wanted_at and away.wanted_at > timezone.now() + timedelta(minutes=50) and "waiting" in states()
    back = [next_try(timedelta(minutes=30)) for _ in range(4)]
    assert [bool(one.wanted_at) for one in back] == [True, True, True, False] and states() == {"done"}
    assert f"no answer for customer:{customer['id']}, however often" in text(marketer_client, APP)


def test_what_fails_now_so_now_so_comes_to_an_end(receive: Receive, account: SandboxAccount, stripe: Sandbox) -> None:
    """No answer, then one that is none, in turn: neither is ever seen often in a row."""
    customer = account.create_customer(email="ada@mill.example")
    stripe.discard()
    kinds: tuple[dict[str, Any], ...] = ({"status": 503, "retry_after": "1"}, {"html": True, "status": 200})
    stripe.faults(path="/v1/customers/", count=0, **kinds[0])
    receive(*(event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2)))
    row = RemoteObject.objects.filter(external_id=customer["id"])
    tries = 0
    while row.get().wanted_at:
        tries += 1
        assert tries <= fetching.ENOUGH_IN_ALL
        stripe.clear_faults()
        stripe.faults(path="/v1/customers/", count=0, **kinds[tries % 2])
        row.update(wanted_at=Now())
        ConnectionStatus.objects.update(throttled_until=None, polled_at=Now())
        fetching.drain()
    assert tries > fetching.ENOUGH and unread.refused().get() == row.get()
    settle()
    assert states() == {"done"}


def test_what_follows_from_a_read_object_may_fail_without_it(
    account: SandboxAccount, connect: Callable[..., Resource], stripe: Sandbox
) -> None:
    connection = connect("charge").connection
    customer = account.create_customer(email="ada@mill.example")
    made = account.charge(customer["id"], amount=100, currency="eur")
    stripe.discard()
    RemoteObject.objects.create(connection=connection, type="charge", external_id=made["id"], wanted_at=Now())
    with refused("orders_order", "total is null"):
        fetching.drain()
    held = RemoteObject.objects.get(external_id=made["id"])
    assert held.body and held.wanted_at is None
    assert FailedDerivation.objects.get().object_key == held.key


def charge(number: int) -> dict[str, Any]:
    told = event(number, "charge.succeeded", START + 1)
    told["data"]["object"] = {
        "id": "ch_1",
        "object": "charge",
        "created": START,
        "customer": "cus_1",
        "status": "succeeded",
        "amount": 100,
        "currency": "eur",
    }
    return told
