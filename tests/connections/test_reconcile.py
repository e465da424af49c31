"""What no event told is found by comparing, and the endpoint is looked after (reliability 2.7, rows 57 to 60)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client

from common.due import LEASE, State
from connections import api, checks, historical, polling, reconcile, setup, webhooks
from connections.models import (
    Connection,
    ConnectionStatus,
    InboundEvent,
    RemoteObject,
    Resource,
    Sighting,
    SyncLogEntry,
    SyncRun,
    SyncWindow,
)
from connections.sources.stripe import comparing
from contacts.models import Activity, Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS, work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
LONG_AGO = timedelta(days=31)


def checked(connection: Connection, *, full: bool = False) -> list[SyncRun]:
    """A check from its beginning to its end, moving due columns where it waits."""
    runs = reconcile.start(connection, full=full)
    for _ in range(60):
        reconcile.drain()
        ConnectionStatus.objects.update(throttled_until=None)
        SyncWindow.objects.filter(state=State.DUE).update(next_attempt_at=Now())
        if not SyncRun.objects.checks().open().exists():
            return list(SyncRun.objects.filter(pk__in=[run.pk for run in runs]).order_by("pk"))
    raise AssertionError(f"The check stands still: {SyncRun.objects.checks().open().values()}")


def a_day_passes() -> None:
    """What we hold is of yesterday: Stripe's time has whole seconds, and of one second the event is believed."""
    RemoteObject.objects.update(as_of=Now() - timedelta(days=1))


def repaired(runs: list[SyncRun]) -> dict[str, int]:
    return {run.resource.kind: run.repaired for run in runs if run.repaired}


def undispatched() -> int:
    return Activity.objects.filter(dispatched_at=None).count()


# --- What a night finds ---


def test_an_event_stripe_never_made_is_repaired_and_counted(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """Row 60."""
    subscription, customers = connect("subscription"), connect("customer")
    ada = account.create_customer(email="ada@mill.example", name="Ada Miller")
    bob = account.create_customer(email="bob@mill.example", name="Bob Baker")
    first, second = account.subscribe(ada["id"], amount=4900), account.subscribe(bob["id"], amount=900)
    deliver()
    a_day_passes()
    Activity.objects.update(dispatched_at=Now())
    account.alter(first["id"], pause_collection={"behavior": "void", "resumes_at": None})
    account.alter(bob["id"], name="Robert Baker")
    connection = customers.connection

    runs = checked(connection)

    assert repaired(runs) == {"subscription": 1, "customer": 1}
    assert [run.state for run in runs] == ["done", "done"]
    statuses = dict(RecurringPayment.objects.values_list("store_recurring_payment_id", "normalized_status"))
    assert (statuses[first["id"]], statuses[second["id"]]) == ("PAUSED", "ACTIVE")
    assert Contact.objects.get(email="bob@mill.example").name == "Robert Baker"
    # It is told where people look, and starts nothing.
    rows = SyncLogEntry.objects.filter(run__in=runs)
    assert set(rows.values_list("object_id", flat=True)) == {first["id"], bob["id"]}
    assert undispatched() == 0
    assert ConnectionStatus.objects.get().reconciled_at and not Sighting.objects.exists()
    assert repaired(checked(connection)) == {}
    assert subscription.runs.checks().count() == 2


def test_a_subscription_that_ended_untold_is_found_by_its_absence(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """Stripe's list leaves out canceled subscriptions, so those we hold and it lacks are read one by one."""
    connection = connect("subscription").connection
    month_ago = int(time.time()) - 30 * 86_400
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    ended = account.subscribe(customer["id"], amount=4900)
    account.subscribe(customer["id"], amount=900)
    deliver()
    account.alter(ended["id"], status="canceled", canceled_at=month_ago, ended_at=month_ago, created=month_ago)
    RemoteObject.objects.filter(type="subscription").update(as_of=datetime.fromtimestamp(month_ago, UTC))

    assert repaired(checked(connection)) == {"subscription": 1}

    assert RecurringPayment.objects.get(store_recurring_payment_id=ended["id"]).normalized_status == "CANCELLED"
    assert RecurringPayment.objects.filter(normalized_status="ACTIVE").count() == 1


def test_an_object_that_was_never_told_is_brought(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    resource = connect("customer")
    Resource.objects.update(since=Now() - timedelta(days=1))
    account.play("grow", count=3)
    mine = account.objects("customer")[0]["id"]
    account.alter(mine, created=int(time.time()) - 3600)
    stripe.discard()

    assert repaired(checked(resource.connection)) == {"customer": 1}

    assert Contact.objects.count() == 1
    assert undispatched() == 0


def test_what_was_before_a_new_only_resource_stays_out(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect
) -> None:
    account.create_customer(email="before@mill.example")
    stripe.discard()
    time.sleep(1.1)  # Stripe's clock has whole seconds: the customer is of an earlier one than the resource.
    resource = connect("customer")
    assert repaired(checked(resource.connection, full=True)) == {}
    assert not Contact.objects.exists()


def test_an_event_on_its_way_is_no_difference(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """The list may be ahead of an event that is under way, or of one the webhook lost: both are told by an event."""
    resource = connect("customer")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()
    account.update_customer(customer["id"], name="Ada Baker")
    stripe.discard()

    assert repaired(checked(resource.connection)) == {}

    assert InboundEvent.objects.filter(type="customer.updated", via="poll").count() == 1
    work()
    assert Contact.objects.get().name == "Ada Baker"


def test_objects_that_records_are_made_of_are_compared_too(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A charge pays an order of an invoice; nobody connected charges."""
    connection = connect("invoice").connection
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(customer["id"], amount=4900)
    deliver()
    a_day_passes()
    (charge,) = account.objects("charge")
    account.alter(charge["id"], amount_refunded=4900, refunded=True)

    assert repaired(checked(connection)) == {"invoice": 1}

    assert Order.objects.get().refunded == 4900
    (row,) = SyncLogEntry.objects.filter(run__kind="check")
    assert (row.object_id, row.resource_kind, row.result) == (charge["id"], "charge", "updated")


def test_what_nobody_asked_to_hear_of_may_differ() -> None:
    """Events that are switched off, addresses made anew for each answer, expansions, and shapes of other versions."""
    held = {"id": "ch_1", "status": "succeeded", "amount_refunded": 0, "captured": False, "receipt_url": "a"}
    listed = held | {"captured": True, "receipt_url": "b", "customer": {"id": "cus_1", "object": "customer"}}
    assert comparing.differences("charge", listed, held, ["charge.succeeded", "charge.refunded"]) == []
    assert comparing.differences("charge", listed, held, ["charge.captured"]) == ["captured"]
    assert comparing.differences("charge", listed, held | {"customer": "cus_1"}, ["charge.succeeded"]) == []
    assert not comparing.would_be_told("charge", {"status": "failed"}, ["charge.succeeded"])


# --- When it runs ---


def test_each_account_is_compared_once_a_night_at_its_own_minute(connect: Connect, stripe: Sandbox) -> None:
    resource = connect("customer")
    status = ConnectionStatus.objects.get()
    assert timedelta(0) < status.next_reconcile_at - datetime.now(UTC) <= timedelta(days=1)
    reconcile.drain()
    assert not SyncRun.objects.exists()
    # A machine that was off in the night makes up for it.
    ConnectionStatus.objects.update(next_reconcile_at=Now() - timedelta(hours=9))
    reconcile.drain()
    assert resource.runs.checks().get().state == "done"
    assert ConnectionStatus.objects.get().next_reconcile_at > datetime.now(UTC)
    moments = {reconcile.next_night(pk) for pk in range(50)}
    assert len(moments) == 50 and {moment.hour for moment in moments} == {1, 2, 3, 4}


def test_workers_that_begin_at_once_begin_one_check(connect: Connect) -> None:
    resource = connect("customer")
    ConnectionStatus.objects.update(next_reconcile_at=Now())
    barrier = threading.Barrier(4)

    def begin() -> None:
        barrier.wait(10)
        reconcile.start(resource.connection)
        database.close()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    run = SyncRun.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        SyncRun.objects.create(
            resource=resource, kind="full_check", epoch=1, range_from=run.range_from, range_to=run.range_to
        )


def test_a_killed_check_goes_on_at_its_page(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect
) -> None:
    account.play("grow", count=350)
    resource = connect("customer", sync="history_and_new")
    work()
    a_day_passes()
    account.alter(account.objects("customer")[340]["id"], name="Changed Untold")
    runs = reconcile.start(resource.connection, full=True)
    (window,) = SyncWindow.objects.filter(run=runs[0], listing="customer").order_by("pk")[:1]
    SyncWindow.objects.exclude(pk=window.pk).filter(run=runs[0], listing="customer").delete()
    SyncWindow.objects.filter(pk=window.pk).update(starts_at=runs[0].range_from)
    # It reads one page, then its worker dies: no answer ever comes, and nobody gives the window back.
    stripe.faults(path="/v1/customers", skip=1, status=500, count=1)
    reconcile.drain()
    page = SyncWindow.objects.get(pk=window.pk)
    assert page.after_id and page.pages == 1
    SyncWindow.objects.filter(pk=window.pk).update(
        state=State.RUNNING, claims=1, claim_no=page.claim_no + 1, lease_until=Now() - LEASE
    )
    ConnectionStatus.objects.update(throttled_until=None)
    stripe.clear_requests()

    (run,) = checked(resource.connection, full=True)

    first = stripe.requests("/v1/customers")[0]
    assert page.after_id in first["query"]
    assert (run.state, run.seen, run.repaired) == ("done", 350, 1)


@pytest.mark.parametrize("ended", ["walked", "set aside"])
def test_a_check_whose_worker_died_at_its_very_end_is_ended(
    stripe: Sandbox, live_hook: None, connect: Connect, ended: str
) -> None:
    """Row 34: killed after the last window's end was written and before the check's: it must not stop all others."""
    connection = connect("subscription").connection
    (run,) = reconcile.start(connection)
    lists = run.windows.exclude(listing__endswith=":unseen")
    if ended == "walked":
        run.windows.update(state=State.DONE)
    else:
        lists.update(state=State.DEAD, last_error="Stripe does not give this list.")
    SyncRun.objects.update(state=SyncRun.State.RUNNING)
    reconcile.drain()
    run.refresh_from_db()
    assert (run.state, bool(run.finished_at)) == ("done" if ended == "walked" else "partly_failed", True)
    assert ConnectionStatus.objects.get().reconciled_at
    ConnectionStatus.objects.update(next_reconcile_at=Now())
    reconcile.drain()
    assert SyncRun.objects.checks().count() == 2


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 500}, {"cut": True}], ids=["429", "500", "half a page"])
def test_a_fault_of_stripe_is_waited_out(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver, fault: dict[str, Any]
) -> None:
    resource = connect("customer")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()
    a_day_passes()
    account.alter(customer["id"], name="Ada Baker")
    stripe.faults(path="/v1/customers", count=2, **fault)
    reconcile.start(resource.connection)
    reconcile.drain()
    assert SyncRun.objects.get().state == "waiting"
    assert repaired(checked(resource.connection)) == {"customer": 1}


def test_disconnecting_ends_a_check(account: SandboxAccount, live_hook: None, connect: Connect) -> None:
    resource = connect("customer")
    reconcile.start(resource.connection)
    setup.disconnect(Connection.objects.get())
    reconcile.drain()
    assert SyncRun.objects.get().state == "cancelled"


def test_a_list_the_key_may_not_read_proves_nothing(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A check says that it is not complete, and takes nothing for gone because it could not see it."""
    connection = connect("subscription").connection
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(customer["id"], amount=4900)
    deliver()
    RemoteObject.objects.filter(type="subscription").update(as_of=Now() - timedelta(days=5))
    connection.seal("api_key", account.restricted_key(without=["rak_subscription_read", "rak_subscription_write"]))
    connection.save()
    (run,) = checked(connection)
    assert run.state == "partly_failed" and "rak_subscription_read" in run.message and run.repaired == 0
    assert RecurringPayment.objects.get().normalized_status == "ACTIVE"


def test_a_marketer_has_it_done_now(marketer_client: Client, staff_client: Client, connect: Connect) -> None:
    resource = connect("customer")
    address = f"/apps/stripe/accounts/{resource.connection_id}/check/"
    assert staff_client.post(address).status_code == 403
    assert marketer_client.get(address).status_code == 405
    page = marketer_client.post(address, follow=True).content.decode()
    assert "compares" in page and "Under way" in page
    marketer_client.post(address)
    run = SyncRun.objects.get()
    assert run.started_by is not None
    reconcile.drain()
    page = marketer_client.get("/apps/stripe/webhooks/").content.decode()
    assert "In step" in page and "Check now" in page and "every 3s" not in page


# --- Long absence ---


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


# --- The endpoint ---


def _delete(account: SandboxAccount, endpoint: str, connection: Connection) -> None:
    api.client_of(connection).delete(f"/v1/webhook_endpoints/{endpoint}")


def _change(**values: Any) -> Callable[[SandboxAccount, str, Connection], None]:
    def change(account: SandboxAccount, endpoint: str, connection: Connection) -> None:
        api.client_of(connection).post(f"/v1/webhook_endpoints/{endpoint}", **values)

    return change


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_delete, "deleted"),
        (_change(disabled=True), "disabled"),
        (_change(url="https://elsewhere.example/hook/"), "address"),
        (_change(enabled_events=["customer.created"]), "switched off"),
    ],
    ids=["deleted", "disabled", "address changed", "events missing"],
)
def test_an_endpoint_out_of_order_is_mended_and_the_gap_read(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Connect,
    deliver: Deliver,
    marketer_client: Client,
    spoil: Callable[..., None],
    words: str,
) -> None:
    """Row 57: noticed by the hourly check; the events of that time are polled at once, and the objects compared."""
    connect("customer")
    connection = Connection.objects.get()
    ConnectionStatus.objects.update(next_poll_at=Now() + timedelta(hours=1))
    spoil(account, connection.endpoint_id, connection)
    account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.update_customer(account.objects("customer")[0]["id"], name="Ada Baker")
    stripe.discard()
    ConnectionStatus.objects.update(next_check_at=Now())

    assert checks.drain() == 1

    status = ConnectionStatus.objects.get()
    assert words in status.mended and status.mended_at
    assert status.next_poll_at <= datetime.now(UTC) and status.next_reconcile_at <= datetime.now(UTC)
    work()
    assert Contact.objects.get().name == "Ada Baker"
    assert status.mended in marketer_client.get("/apps/stripe/webhooks/").content.decode()
    # It works again: the next event comes by webhook.
    account.create_customer(email="bob@mill.example", name="Bob Baker")
    assert [attempt["status"] for attempt in deliver()] == [200]
    # And there is nothing to mend any more.
    ConnectionStatus.objects.update(next_check_at=Now(), mended_at=None)
    checks.drain()
    assert ConnectionStatus.objects.get().mended_at is None


def test_an_account_that_polls_gets_no_webhook_unasked(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, marketer_client: Client
) -> None:
    connect("customer")
    connection = Connection.objects.get()
    connection.delivery = Connection.Delivery.POLLING
    connection.save()
    checks.check(connection)
    assert Connection.objects.get().polls and not account.objects("webhook_endpoint")
    ConnectionStatus.objects.update(next_check_at=Now())
    stripe.clear_requests()
    assert checks.drain() == 0
    assert not stripe.requests("/v1/webhook_endpoints")
    # Somebody asks: then it is made, and stays.
    page = marketer_client.post(f"/apps/stripe/accounts/{connection.pk}/repair/", follow=True).content.decode()
    assert "takes the webhook of" in page
    connection.refresh_from_db()
    assert (connection.polls, connection.delivery, len(account.objects("webhook_endpoint"))) == (False, "auto", 1)


def test_a_wish_to_poll_outlives_an_address_that_is_refused(
    stripe: Sandbox, connect: Connect, settings: Any, marketer_client: Client, db: None
) -> None:
    """Asking for a webhook that Stripe refuses changes nothing, and says so."""
    elsewhere = stripe.account("closed", local_webhooks=False)
    settings.SITE_URL = "http://localhost:1"
    connection = setup.connect(elsewhere.key)
    connection.delivery = Connection.Delivery.POLLING
    connection.save()
    setup.add_resource(connection, setup.default_choice("customer", "new_only", []))
    page = marketer_client.post(f"/apps/stripe/accounts/{connection.pk}/repair/", follow=True).content.decode()
    assert "still polls" in page and "in step with Stripe" not in page
    assert Connection.objects.get(pk=connection.pk).delivery == "polling"
