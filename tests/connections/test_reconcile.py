"""What no event told is found by comparing (reliability 2.7, row 60)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import reconcile_pages
from connections.models import (
    ConnectionStatus,
    InboundEvent,
    RemoteObject,
    Resource,
    Sighting,
    SyncLogEntry,
    SyncWindow,
)
from connections.sources.stripe import comparing
from contacts.models import Activity, Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.night_checks import a_day_passes, checked, repaired, undispatched

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]


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


def test_those_that_ended_long_ago_are_looked_through_a_page_at_a_time(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, deliver: Deliver, monkeypatch: Any
) -> None:
    """However many there are, and none of them is asked for."""
    monkeypatch.setattr(reconcile_pages, "LOOKED_THROUGH", 2)
    monkeypatch.setattr(reconcile_pages, "ONE_BY_ONE", 1)
    connection = connect("subscription").connection
    untold = [account.subscribe(None, amount=900)["id"] for _ in range(2)]
    deliver()
    month_ago = datetime.now(UTC) - timedelta(days=30)
    for subscription in untold:
        account.alter(subscription, status="canceled", created=int(month_ago.timestamp()))
    for place in ("sub_", "sub_zzzz"):
        for number in range(5):
            body = {"id": f"{place}{number}", "object": "subscription", "status": "canceled"}
            RemoteObject.objects.create(
                connection=connection, type="subscription", external_id=body["id"], body=body, as_of=month_ago
            )
    RemoteObject.objects.filter(type="subscription").update(as_of=month_ago)
    stripe.clear_requests()

    (run,) = (one for one in checked(connection) if one.resource.kind == "subscription")

    assert (run.state, run.repaired) == ("done", 2)
    assert sorted(asked["path"][-len(untold[0]) :] for asked in stripe.requests("/v1/subscriptions/")) == sorted(untold)
    assert SyncWindow.objects.get(run=run, listing="subscription:unseen").pages >= 6


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
