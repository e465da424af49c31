"""Orders and recurring payments of an import are made once, when it rests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connections import fetching, historical, idle, inbox, rederiving, underived, underived_pages
from connections.models import Connection, RemoteObject, Resource, SyncRun, Underived
from contacts.models import Activity
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount

pytestmark = pytest.mark.django_db(transaction=True)
MONTH = 31 * 86_400
MONTHS = 6


@pytest.fixture
def subscription(account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]) -> str:
    """A subscription some months old, itself imported, whose invoices and charges are still to come."""
    began = int(time.time()) - MONTHS * MONTH
    made = account.play("subscribe", amount=2900, product="Mill Pro", at=began)
    for month in range(1, MONTHS):
        account.play("renew", subscription=made["id"], at=began + month * MONTH)
    stripe.discard()
    connect("subscription", sync="history_and_new")
    everything()
    # What comes next is read in a later second, which the guard tells from this one.
    RemoteObject.objects.exclude(as_of=None).update(as_of=F("as_of") - timedelta(minutes=1))
    return str(made["id"])


def everything() -> None:
    while historical.drain() + fetching.drain() + inbox.drain() + underived_pages.drain():
        pass


def last_payment() -> str | None:
    found = RecurringPayment.objects.get().last_payment_date
    return found.isoformat() if found else None


def test_many_invoices_are_one_change(subscription: str, connect: Callable[..., Resource]) -> None:
    before = Activity.objects.filter(kind="recurring_payment.updated").count()
    connect("invoice", sync="history_and_new")
    connect("charge", sync="history_and_new")
    historical.drain()
    keys = set(Underived.objects.values_list("key", flat=True))
    # Each invoice and its charge are one purchase; its customer only came along, as it was.
    assert f"subscription:{subscription}" not in keys and len(keys) == MONTHS
    assert not Order.objects.exists()
    assert idle.busy() == [f"{MONTHS} changes to derive from"]
    # The purchases, then the subscription they belong to, which they bring.
    assert underived_pages.drain() == 2
    assert Order.objects.count() == MONTHS
    assert last_payment() and not Underived.objects.exists() and idle.busy() == []
    told = Activity.objects.filter(kind="recurring_payment.updated")
    assert told.count() <= before + 1 and not told.filter(dispatched_at=None).exists()


def test_a_page_holds_customers_as_a_whole(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that follows from a customer is read once, and two workers seldom meet at one."""
    for number in range(3):
        began = int(time.time()) - 2 * MONTH
        made = account.subscribe(amount=1900 + number, at=began)
        account.renew(made["id"], at=began + MONTH)
    stripe.discard()
    for kind in ("subscription", "invoice", "charge"):
        connect(kind, sync="history_and_new")
    historical.drain()
    marks = list(Underived.objects.values_list("owner", "key"))
    customers = set(RemoteObject.objects.filter(type="customer").values_list("external_id", flat=True))
    # Each has a subscription and two purchases.
    assert {owner for owner, _ in marks} == {f"customer:{one}" for one in customers} and len(marks) == 9
    monkeypatch.setattr(underived_pages, "PAGE", 4)
    begun = underived_pages._begun(Connection.objects.get().pk)
    owners = {owner for owner, key in marks if key in begun}
    assert len(begun) == 3 and len(owners) == 1
    # Another worker finds the next customer, and the first what it had begun.
    assert owners.isdisjoint(
        {owner for owner, key in marks if key in underived_pages._begun(Connection.objects.get().pk)}
    )


def test_a_customer_of_more_than_a_page_is_worked_all_the_same(
    subscription: str, connect: Callable[..., Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(underived_pages, "PAGE", 2)
    connect("invoice", sync="history_and_new")
    connect("charge", sync="history_and_new")
    everything()
    assert Order.objects.count() == MONTHS and not Underived.objects.exists() and last_payment()


def test_a_subscription_that_its_bills_bring_stands_behind_them(
    subscription: str, connect: Callable[..., Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages they fill: at their head it would be made anew with each."""
    monkeypatch.setattr(underived_pages, "PAGE", 2)
    connect("invoice", sync="history_and_new")
    historical.drain()
    account = Connection.objects.get()
    underived_pages._work(account.pk)
    (owner,) = Underived.objects.values_list("owner", flat=True).distinct()
    assert owner.startswith("customer:")
    assert f"subscription:{subscription}" in set(Underived.objects.values_list("key", flat=True))
    assert f"subscription:{subscription}" not in underived_pages._begun(account.pk)


def test_what_is_held_in_a_newer_state_is_noted_too(subscription: str, connect: Callable[..., Resource]) -> None:
    """Before the resource was there nobody asked for its order, and the state that the page brings is no news."""
    connect("invoice", sync="history_and_new")
    newer = RemoteObject.objects.filter(type="invoice", body__isnull=False)
    assert newer.update(as_of=Now() + timedelta(seconds=5)) == 1
    historical.drain()
    everything()
    assert Order.objects.count() == MONTHS


def test_it_ends_as_if_each_had_been_derived_at_once(subscription: str, connect: Callable[..., Resource]) -> None:
    for kind in ("invoice", "charge"):
        connect(kind, sync="history_and_new")
    everything()
    values = RecurringPayment.objects.values().get()
    rederiving.begin(Connection.objects.get())
    rederiving.drain()
    again = RecurringPayment.objects.values().get()
    # When it was looked at last is all that may differ.
    assert values | {"last_synced_at": None} == again | {"last_synced_at": None}


def test_nothing_is_derived_while_an_import_runs_unless_it_takes_long(
    subscription: str, connect: Callable[..., Resource]
) -> None:
    run = connect("invoice", sync="history_and_new").runs.get()
    historical.drain()
    SyncRun.objects.filter(pk=run.pk).update(state=SyncRun.State.RUNNING, finished_at=None)
    assert Underived.objects.exists() and underived_pages.drain() == 0
    for key in ("payment_intent:", f"subscription:{subscription}"):
        assert all(mark.key.startswith(key) for mark in Underived.objects.all())
        Underived.objects.update(marked_at=Now() - underived.PATIENCE - timedelta(seconds=1))
        assert underived_pages.drain() == 1
    assert not Underived.objects.exists()


def test_a_page_that_is_not_committed_leaves_its_marks(subscription: str, connect: Callable[..., Resource]) -> None:
    """Killed within a page: the marks and what was derived go back together."""
    connect("invoice", sync="history_and_new")
    historical.drain()
    before = last_payment()
    with transaction.atomic():
        underived_pages.drain()
        assert not Underived.objects.exists()
        transaction.set_rollback(True)
    assert Underived.objects.count() == MONTHS and last_payment() == before
    everything()
    assert not Underived.objects.exists()


def test_a_live_event_is_derived_at_once_even_while_marked(
    subscription: str, connect: Callable[..., Resource], account: SandboxAccount, deliver: Callable[[], list[object]]
) -> None:
    run = connect("invoice", sync="history_and_new").runs.get()
    historical.drain()
    SyncRun.objects.filter(pk=run.pk).update(state=SyncRun.State.RUNNING, finished_at=None)
    account.play("cancel", subscription=subscription)
    deliver()
    assert RecurringPayment.objects.get().normalized_status == "CANCELLED"


def test_a_live_event_on_what_is_not_derived_yet_tells_only_its_own_news(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    deliver: Callable[[], list[object]],
) -> None:
    """An old order that is refunded while the import runs is no new order: nobody is thanked for it."""
    made = account.play("subscribe", amount=2900, at=int(time.time()) - MONTH)
    stripe.discard()
    for kind in ("subscription", "invoice", "charge"):
        connect(kind, sync="history_and_new")
    historical.drain()
    SyncRun.objects.update(state=SyncRun.State.RUNNING, finished_at=None)
    assert Underived.objects.exists() and not Order.objects.exists() and not RecurringPayment.objects.exists()
    account.play("refund", charge=account.objects("charge")[0]["id"])
    account.play("cancel", subscription=made["id"])
    deliver()
    told = set(Activity.objects.filter(dispatched_at=None).values_list("kind", flat=True))
    assert {"order.refunded", "recurring_payment.updated"} <= told
    assert told.isdisjoint({"order.created", "order.paid", "recurring_payment.created"})


def test_the_page_says_that_more_follows_and_looks_again(
    subscription: str, connect: Callable[..., Resource], marketer_client: Client
) -> None:
    """E003: an import is not called at its end while its orders are still to come."""
    run = connect("invoice", sync="history_and_new").runs.get()
    historical.drain()
    address = reverse("connections:progress", args=[run.pk])
    on_the_way = marketer_client.get(address, headers={"HX-Request": "true"})
    words = on_the_way.content.decode()
    assert "Orders and recurring payments follow" in words and "every 2s" in words
    assert "HX-Trigger" not in on_the_way
    underived_pages.drain()
    ended = marketer_client.get(address, headers={"HX-Request": "true"})
    words = ended.content.decode()
    assert "Orders and recurring payments follow" not in words and "every 2s" not in words
    assert "announce" in ended["HX-Trigger"]


def test_disconnected_accounts_wait(subscription: str, connect: Callable[..., Resource]) -> None:
    connect("invoice", sync="history_and_new")
    historical.drain()
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    with CaptureQueriesContext(database) as asked:
        assert underived_pages.drain() == 0
    assert Underived.objects.count() == MONTHS and len(asked) == 1
