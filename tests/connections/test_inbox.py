"""The inbox under fire: claims, leases, suspects, waiting for objects, one bad record among good ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now

from common.due import MAX_CLAIMS, State
from common.origin import Origin
from connections import fetching, inbox, setup, stored_events
from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.sources.stripe import translate
from contacts.models import Activity, Contact, ContactTag
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.test_guard import event
from tests.live import CeleryWorker
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
Store = Callable[..., None]


@pytest.fixture
def connection(connect: Callable[..., Resource]) -> Connection:
    resource = connect("customer")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    return Connection.objects.get(pk=resource.connection_id)


@pytest.fixture
def store(connection: Connection) -> Store:
    def put(*events: dict[str, Any]) -> None:
        for one in events:
            body = json.dumps(one).encode()
            stored_events.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)

    return put


def many(count: int, customers: int) -> list[dict[str, Any]]:
    now = int(time.time())
    return [
        event(
            number,
            "customer.created" if number < customers else "customer.updated",
            now - count + number,
            id=f"cus_{number % customers}",
            email=f"c{number % customers}@mill.example",
            phone=str(number),
        )
        for number in range(count)
    ]


def audit(events: list[dict[str, Any]]) -> None:
    """Lost 0, doubled 0, stale 0."""
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"done"}
    assert SyncLogEntry.objects.count() == len(events)
    newest = {one["data"]["object"]["email"]: one["data"]["object"]["phone"] for one in events}
    assert dict(Contact.objects.values_list("email", "phone")) == newest
    assert Activity.objects.filter(kind="source.event").count() == len(events)
    assert Activity.objects.filter(kind="contact.created").count() == len(newest)
    assert ContactTag.objects.count() == len(newest) * 3


def test_four_workers_on_the_same_customers(store: Store) -> None:
    """Promises 1, 2, 5: no event twice, no contact twice, no deadlock that is not mended."""
    events = many(400, customers=13)
    store(*events)
    threads = [threading.Thread(target=_drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    audit(events)


def _drain() -> None:
    inbox.drain()
    database.close()


def test_killed_workers_lose_and_double_nothing(store: Store, celery_worker: CeleryWorker) -> None:
    """E002 E003, rows 34 and 35: kill -9 again and again while events are worked."""
    events = many(600, customers=40)
    store(*events[:300])
    for start in range(300, 600, 100):
        eventually(lambda: InboundEvent.objects.filter(state="done").exists(), timeout=60)
        celery_worker.kill()
        # What a dead worker had comes back by its lease; here its minute is over at once.
        InboundEvent.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))
        store(*events[start : start + 100])
        celery_worker.start()
    eventually(lambda: not InboundEvent.objects.exclude(state="done").exists(), timeout=90)
    audit(events)


def test_an_event_that_takes_its_worker_along_is_set_aside_alone(store: Store, connection: Connection) -> None:
    """Row 39: four claims without an end, then dead with its body and a log row; the others are done."""
    store(*many(20, customers=20))
    killer = InboundEvent.objects.get(event_id="evt_7")
    for claims in range(1, MAX_CLAIMS + 1):
        InboundEvent.objects.filter(pk=killer.pk).update(
            state=State.RUNNING, claims=claims, claim_no=claims, lease_until=Now() - timedelta(seconds=1)
        )
        if claims < MAX_CLAIMS:
            InboundEvent.objects.release_expired()
            claimed = InboundEvent.objects.claim(100)
            # A suspect is claimed among the fewer the more workers it has cost.
            assert [row.pk for row in claimed] == [killer.pk]
    inbox.drain()
    killer.refresh_from_db()
    assert (killer.state, bool(killer.body)) == ("dead", True)
    assert InboundEvent.objects.filter(state="done").count() == 19
    entry = SyncLogEntry.objects.get(inbound=killer)
    assert entry.result == "dead" and "set aside" in entry.reason
    assert stored_events.replay([killer]) == 1
    inbox.drain()
    killer.refresh_from_db()
    assert killer.state == "done"
    assert set(SyncLogEntry.objects.filter(inbound=killer).values_list("via", "result")) == {
        ("webhook", "dead"),
        ("replay", "created"),
    }


def test_a_frozen_worker_writes_nothing_after_its_lease(store: Store) -> None:
    """Row 40: a worker that wakes up after another took its events over finds none of them its own."""
    store(*many(3, customers=3))
    frozen = InboundEvent.objects.claim(10)
    InboundEvent.objects.update(lease_until=Now() - timedelta(seconds=1))
    inbox.drain()
    written = Activity.objects.count()
    inbox.work(frozen)
    assert Activity.objects.count() == written
    assert SyncLogEntry.objects.count() == 3


def test_a_frozen_worker_that_fails_tells_nothing_of_what_is_no_longer_its_own(store: Store) -> None:
    """Row 40: or else whoever has the event now would find a row where its own belongs."""
    store(*many(1, customers=1))
    [frozen] = InboundEvent.objects.claim(1)
    InboundEvent.objects.update(lease_until=Now() - timedelta(seconds=1))
    InboundEvent.objects.release_expired()
    taken = InboundEvent.objects.claim(1)
    frozen.body = b"{"
    inbox.work([frozen])
    assert not SyncLogEntry.objects.exists()
    inbox.work(taken)
    assert SyncLogEntry.objects.get().result == "created"


def test_what_cannot_be_set_aside_holds_nothing_up(store: Store) -> None:
    """Row 39: its row in the log is refused, or is there already; the others are worked."""
    store(*many(2, customers=2))
    lost = InboundEvent.objects.filter(event_id="evt_0")
    lost.update(state=State.RUNNING, claims=MAX_CLAIMS, lease_until=Now() - timedelta(seconds=1))
    table = "alter table connections_synclogentry"
    with database.cursor() as cursor:
        cursor.execute(f"{table} add constraint refused check (result <> 'dead')")
    try:
        inbox.drain()
    finally:
        with database.cursor() as cursor:
            cursor.execute(f"{table} drop constraint refused")
    assert dict(InboundEvent.objects.values_list("event_id", "state")) == {"evt_0": "running", "evt_1": "done"}
    SyncLogEntry.objects.create(
        connection=lost.get().connection, inbound=lost.get(), via="webhook", result="failed", occurred_at=Now()
    )
    inbox.drain()
    assert SyncLogEntry.objects.get(inbound=lost.get()).result == lost.get().state == "dead"


def test_one_bad_record_fails_alone(store: Store, connection: Connection) -> None:
    """A record that cannot be applied is isolated from its batch, retried by schedule, and at last set aside."""
    events = many(30, customers=30)
    store(*events)
    # Something no code of ours expects: the stored body is damaged after it was taken.
    InboundEvent.objects.filter(event_id="evt_11").update(body=b"{damaged")
    inbox.drain()
    assert InboundEvent.objects.filter(state="done").count() == 29
    damaged = InboundEvent.objects.get(event_id="evt_11")
    assert damaged.state == "dead" and bytes(damaged.body) == b"{damaged"
    assert SyncLogEntry.objects.get(inbound=damaged).result == "dead"


@contextmanager
def locked_out(limit: str) -> Iterator[None]:
    """Somebody else holds every customer, and the database lets us wait no longer than `limit`."""
    locked, over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(RemoteObject.objects.select_for_update())
            locked.set()
            over.wait(30)
        database.close()

    other = threading.Thread(target=hold)
    other.start()
    assert locked.wait(30)
    with database.cursor() as cursor:
        cursor.execute(f"set {limit} = '1s'")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute(f"reset {limit}")
        over.set()
        other.join(30)


def test_what_the_database_refuses_counts_no_attempt(store: Store) -> None:
    """Row 42: locks that last longer than all tries are no failure of the events; they rest and are worked later."""
    customers = many(6, customers=3)
    store(*customers[:3])
    inbox.drain()
    store(*customers[3:])
    with locked_out("lock_timeout"):
        inbox.drain()
    resting = InboundEvent.objects.exclude(state="done")
    assert set(resting.values_list("state", "attempts", "claims", "last_error_code")) == {
        ("due", 0, 0, "OperationalError")
    }
    assert resting.filter(next_attempt_at__gt=Now()).count() + resting.due().count() == 3
    assert not SyncLogEntry.objects.filter(result="failed").exists()
    InboundEvent.objects.filter(state="due").update(next_attempt_at=Now())
    inbox.drain()
    audit(customers)
    assert not InboundEvent.objects.exclude(last_error_code="").exists()


def test_what_takes_too_long_each_time_is_no_endless_rest(store: Store) -> None:
    """A statement that runs into its limit is tried by schedule, alone, and would be set aside at last."""
    customers = many(2, customers=1)
    store(customers[0])
    inbox.drain()
    store(customers[1])
    with locked_out("statement_timeout"):
        inbox.drain()
    late = InboundEvent.objects.get(event_id=customers[1]["id"])
    assert (late.state, late.attempts) == ("due", 1)
    assert SyncLogEntry.objects.get(inbound=late).result == "failed"


def test_retries_follow_the_schedule_and_end(store: Store) -> None:
    store(*many(1, customers=1))
    states = []
    for _ in range(11):
        InboundEvent.objects.update(next_attempt_at=Now())
        (row,) = InboundEvent.objects.claim(1)
        states.append(row.failed(code="data", error="does not fit"))
        row.refresh_from_db()
    assert states == ["due"] * 10 + ["dead"]
    assert row.attempts == 11 and row.last_error == "does not fit"


def test_a_disconnected_account_writes_nothing_more(store: Store, connection: Connection) -> None:
    """Row 65: due events are held, and looked at again after reconnecting."""
    store(*many(5, customers=5))
    claimed = InboundEvent.objects.claim(5)
    setup.disconnect(connection)
    inbox.work(claimed)
    assert not Contact.objects.exists()
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"held"}


def test_an_event_waits_for_the_customer_behind_it(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> None:
    """design.md 3: one miss holds up nobody; the object is fetched once for all that wait."""
    stripe.set_clock(-60)
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    # The first charge of a customer also updates it; from the second on the charge comes alone.
    account.charge(customer["id"], amount=1, currency="eur")
    stripe.discard()
    stripe.set_clock(0)
    connect("charge", types=["charge.succeeded"])
    stripe.clear_requests()
    for _ in range(3):
        account.charge(customer["id"], amount=4900, currency="eur")
    stripe.deliver()
    inbox.drain()
    waiting = InboundEvent.objects.filter(state="waiting")
    assert waiting.count() == 3 and not Contact.objects.exists()
    assert RemoteObject.objects.filter(wanted_at__isnull=False).count() == 1
    work()
    assert len(stripe.requests(f"/v1/customers/{customer['id']}")) == 1
    contact = Contact.objects.get()
    assert contact.last_name == "Miller"
    assert SyncLogEntry.objects.filter(contact=contact, event_type="charge.succeeded").count() == 3
    account.charge(customer["id"], amount=100, currency="eur")
    stripe.deliver()
    work()
    assert len(stripe.requests(f"/v1/customers/{customer['id']}")) == 1


def test_a_customer_that_is_not_to_be_had_holds_nobody_up(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> None:
    connect("charge", types=["charge.succeeded"])
    customer = account.create_customer(email="gone@mill.example")
    account.charge(customer["id"], amount=100, currency="eur")
    account.delete_customer(customer["id"])
    stripe.deliver()
    work()
    assert not InboundEvent.objects.filter(state="waiting").exists()


def test_fetching_survives_stripe_being_down(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> None:
    customer = account.create_customer(email="ada@mill.example")
    account.charge(customer["id"], amount=1, currency="eur")
    stripe.discard()
    connect("charge", types=["charge.succeeded"])
    account.charge(customer["id"], amount=100, currency="eur")
    stripe.deliver()
    inbox.drain()
    stripe.faults(path="/v1/customers/", status=503, count=1)
    fetching.drain()
    wish = RemoteObject.objects.get(external_id=customer["id"])
    assert wish.wanted_attempts == 1 and "again" in wish.wanted_error
    connection = Connection.objects.get()
    connection.status.throttled_until = None
    connection.status.save()
    RemoteObject.objects.update(wanted_at=Now())
    work()
    assert Contact.objects.exists()
