"""What happened while nobody listened is made up for, once (reliability 2.7, rows 58 and 59)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import historical, polling, reconcile, webhooks
from connections.models import Connection, ConnectionStatus, InboundEvent, RemoteObject, Resource, SyncLogEntry, SyncRun
from contacts.models import Activity, Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS, work
from tests.connections.night_checks import undispatched

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]


LONG_AGO = timedelta(days=31)


def test_after_a_month_offline_everything_is_compared_by_itself(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """Row 59: data equal to Stripe's, and no automation starts for what happened meanwhile."""
    # Only the customer's own mapping reads the phone, though the subscription's list brings the customer along too.
    connect("subscription", sync="history_and_new", rows=ROWS[:2])
    connect("customer", sync="history_and_new")
    long_ago = int(time.time()) - 200 * 86_400
    kept = account.create_customer(email="kept@mill.example", name="Kept Person", at=long_ago)
    ended = account.subscribe(kept["id"], amount=4900, at=long_ago + 60)
    work()
    Activity.objects.update(dispatched_at=Now())
    away = datetime.now(UTC) - LONG_AGO
    RemoteObject.objects.update(as_of=away)
    ConnectionStatus.objects.update(events_seen_until=away, polled_at=away, next_poll_at=Now())
    # Thirty-five days ago, of which Stripe tells no events any more.
    back = int(time.time()) - 35 * 86_400
    account.alter(kept["id"], name="Changed Meanwhile", phone="+49 30 1")
    account.alter(ended["id"], status="canceled", canceled_at=back, ended_at=back)
    account.create_customer(email="new@mill.example", name="New Person", at=back)

    polling.drain()
    assert ConnectionStatus.objects.get().gap_since == away
    # Only a check that has ended makes up for it: one that stops half-way is begun again, and one at a time.
    reconcile.drain(seconds=0)
    assert ConnectionStatus.objects.get().gap_since == away
    for run in SyncRun.objects.checks():
        historical.cancel(run)
    for _ in range(10):
        reconcile.drain()

    ended = list(SyncRun.objects.checks().order_by("pk").values_list("kind", "state"))
    assert ended == [("full_check", "cancelled")] * 2 + [("full_check", "done")] * 2
    assert ConnectionStatus.objects.get().gap_since is None
    people = set(Contact.objects.exclude(phone="").values_list("first_name", "last_name", "phone"))
    assert people == {("Changed", "Meanwhile", "+49 30 1")}
    assert Contact.objects.filter(first_name="New", last_name="Person").exists() and Contact.objects.count() == 2
    assert RecurringPayment.objects.get().normalized_status == "CANCELLED"
    assert undispatched() == 0
    # The charge is one the subscription's payments are read from, and which no list of history brought.
    put_right = SyncLogEntry.objects.filter(run__kind="full_check").values_list("resource_kind", flat=True)
    assert sorted(put_right) == ["charge", "customer", "customer", "subscription"]
    assert sum(SyncRun.objects.values_list("repaired", flat=True)) == 4
    # Once is enough.
    ConnectionStatus.objects.update(next_poll_at=Now())
    polling.drain()
    assert ConnectionStatus.objects.get().gap_since is None


def test_a_quiet_account_is_not_one_that_was_away(account: SandboxAccount, live_hook: None, connect: Connect) -> None:
    connect("customer")
    ConnectionStatus.objects.update(
        events_seen_until=Now() - LONG_AGO, polled_at=Now() - timedelta(hours=1), next_poll_at=Now()
    )
    polling.drain()
    assert ConnectionStatus.objects.get().gap_since is None


@pytest.mark.parametrize(("heard", "begins"), [(40, True), (2, False)])
def test_a_watermark_in_the_future_hides_no_absence(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, heard: int, begins: bool
) -> None:
    """Row 59: polls that listed only what lies ahead were answered, and brought nothing."""
    connect("customer")
    Connection.objects.update(polls=True, connected_at=Now() - timedelta(days=90))
    account.create_customer(email="ada@mill.example")
    stripe.discard()
    polling.poll(Connection.objects.get())
    assert InboundEvent.objects.update(occurred_at=Now() - timedelta(days=heard))
    ConnectionStatus.objects.update(events_seen_until=Now() + timedelta(days=40), next_poll_at=Now())
    stripe.faults(path="/v1/events", status=500, count=1)
    polling.drain()
    ConnectionStatus.objects.update(next_poll_at=Now(), throttled_until=None)
    polling.drain()
    assert ConnectionStatus.objects.get().events_seen_until
    assert bool(ConnectionStatus.objects.get().gap_since) is begins
    reconcile.drain(seconds=0)
    assert SyncRun.objects.checks().filter(kind="full_check").exists() is begins
    for _ in range(10):
        reconcile.drain()
    assert ConnectionStatus.objects.get().gap_since is None


def test_two_days_without_webhooks_are_made_up_for_once(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, marketer_client: Client
) -> None:
    """Row 58: every event comes in, once, and is counted; what the endpoint is not meant to send is no loss."""
    connect("charge")
    Resource.objects.update(since=Now() - timedelta(days=3))
    ConnectionStatus.objects.update(next_poll_at=Now())
    begin = int(time.time()) - 2 * 86_400
    for number in range(12):
        account.charge(receipt_email=f"c{number}@mill.example", at=begin + number * 3600)
    stripe.discard()
    wanted = set(webhooks.wanted_events(Connection.objects.get()))
    lost = [event for event in account.events() if event["type"] in wanted]
    assert 12 <= len(lost) < len(account.events())
    for _ in range(2):
        polling.drain()
        ConnectionStatus.objects.update(next_poll_at=Now())
    work()
    assert InboundEvent.objects.filter(missed=True).count() == len(lost) == InboundEvent.objects.count()
    assert ConnectionStatus.objects.get().missed_webhooks == len(lost)
    assert Order.objects.count() == 12
    page = marketer_client.get("/apps/stripe/").content.decode()
    assert f"{len(lost)} webhooks of" in page and "nothing is lost" in page and "firewall" in page
    assert f"{len(lost)} in 7 days" in marketer_client.get("/apps/stripe/webhooks/").content.decode()
