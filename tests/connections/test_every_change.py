"""Every change of a recurring payment is told, also one that was taken back before anybody looked (B047)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connections.models import Resource
from contacts.models import Activity, Kind
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount

Connect = Callable[..., Resource]


def statuses() -> list[tuple[str, str]]:
    """Each change of status that the timeline tells, oldest first."""
    told = Activity.objects.filter(kind=Kind.RECURRING_PAYMENT_UPDATED).order_by("occurred_at", "pk")
    changes = [change for activity in told for change in activity.changes]
    return [(change["old"], change["new"]) for change in changes if change["field"] == "normalized_status"]


def sentences() -> list[str]:
    told = Activity.objects.filter(kind=Kind.RECURRING_PAYMENT_UPDATED).order_by("occurred_at", "pk")
    return [activity.summary for activity in told]


def subscribed(account: SandboxAccount, deliver: Callable[[], Any]) -> str:
    account.play("subscribe")
    deliver()
    Activity.objects.all().delete()
    (subscription,) = account.objects("subscription")
    return str(subscription["id"])


def test_a_failure_that_was_mended_in_the_same_batch_is_told(
    stripe: Sandbox, account: SandboxAccount, connect: Connect, deliver: Callable[[], Any]
) -> None:
    """B047: active, past due, active again within one batch are two changes, though the row did not change."""
    connect("subscription")
    subscription = subscribed(account, deliver)
    account.alter(subscription, event="customer.subscription.updated", status="past_due")
    stripe.set_clock(5)
    account.alter(subscription, event="customer.subscription.updated", status="active")
    deliver()
    assert statuses() == [("ACTIVE", "PAYMENT_FAILED"), ("PAYMENT_FAILED", "ACTIVE")]
    row = RecurringPayment.objects.get()
    assert row.normalized_status == "ACTIVE"
    assert sentences() == [f"{row.name}: past due", f"{row.name}: active again"]


def test_each_change_is_told_once_however_often_it_comes(
    stripe: Sandbox, account: SandboxAccount, connect: Connect, deliver: Callable[[], Any]
) -> None:
    connect("subscription")
    subscription = subscribed(account, deliver)
    account.alter(subscription, event="customer.subscription.updated", status="past_due")
    deliver()
    for event in account.events("customer.subscription.updated"):
        account.resend(event["id"])
    deliver()
    assert statuses() == [("ACTIVE", "PAYMENT_FAILED")]


def test_the_end_of_a_failing_subscription_follows_its_failure(
    stripe: Sandbox, account: SandboxAccount, connect: Connect, deliver: Callable[[], Any]
) -> None:
    """The event of the end names no previous values; the change goes on from what the batch told before."""
    connect("subscription")
    subscription = subscribed(account, deliver)
    account.alter(subscription, event="customer.subscription.updated", status="past_due")
    stripe.set_clock(5)
    account.alter(subscription, event="customer.subscription.deleted", status="canceled", canceled_at=1_790_000_000)
    deliver()
    assert statuses() == [("ACTIVE", "PAYMENT_FAILED"), ("PAYMENT_FAILED", "CANCELLED")]


def test_a_late_event_tells_its_change_and_the_row_keeps_the_newer_state(
    stripe: Sandbox, account: SandboxAccount, connect: Connect, deliver: Callable[[], Any]
) -> None:
    connect("subscription")
    subscription = subscribed(account, deliver)
    account.alter(subscription, event="customer.subscription.updated", status="past_due")
    late = account.events("customer.subscription.updated")
    stripe.discard()
    stripe.set_clock(5)
    account.alter(subscription, event="customer.subscription.updated", status="active")
    deliver()
    known = statuses()
    account.resend(late[0]["id"])
    deliver()
    assert ("ACTIVE", "PAYMENT_FAILED") in statuses()
    assert len(statuses()) == len(known) + 1
    assert RecurringPayment.objects.get().normalized_status == "ACTIVE"


def test_a_cancellation_to_come_is_told_with_its_day_and_taken_back(
    stripe: Sandbox, account: SandboxAccount, connect: Connect, deliver: Callable[[], Any]
) -> None:
    """An end beyond the period as well: Stripe says nothing of the period then."""
    connect("subscription")
    subscription = subscribed(account, deliver)
    account.alter(subscription, event="customer.subscription.updated", cancel_at=1_827_100_800)
    deliver()
    stripe.set_clock(5)
    account.alter(subscription, event="customer.subscription.updated", cancel_at=None)
    deliver()
    row = RecurringPayment.objects.get()
    assert sentences() == [f"{row.name}: will cancel on Nov 25, 2027", f"{row.name}: will not cancel any more"]
