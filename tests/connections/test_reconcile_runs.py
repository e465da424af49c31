"""When a check runs, and how it ends whatever comes between (reliability 2.7, row 34)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client

from common.due import LEASE, State
from connections import history_ends, reconcile, setup
from connections.models import Connection, ConnectionStatus, RemoteObject, Resource, SyncRun, SyncWindow
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.night_checks import a_day_passes, checked, repaired

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]


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


def test_tries_before_a_page_of_a_check_that_came_count_no_longer(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same walk too, where the window is the one in memory: the fault of the next page is its first."""
    monkeypatch.setattr(history_ends, "ENOUGH", 6)
    account.play("grow", count=130)
    resource = connect("customer", sync="history_and_new")
    work()
    runs = reconcile.start(resource.connection, full=True)
    window = SyncWindow.objects.filter(run=runs[0], listing="customer").order_by("pk")[0]
    SyncWindow.objects.exclude(pk=window.pk).filter(run=runs[0], listing="customer").delete()
    SyncWindow.objects.filter(pk=window.pk).update(starts_at=runs[0].range_from, unanswered=5, attempts=4)
    ConnectionStatus.objects.update(polled_at=Now())
    stripe.faults(path="/v1/customers", skip=1, status=500, count=1)
    reconcile.drain()
    window.refresh_from_db()
    assert (window.state, window.pages, window.unanswered, window.attempts) == (State.DUE, 1, 1, 1)


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
