"""What automations begin with: which activities start which trigger, and when a trigger can be chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automations import awaiting, checking, dating, lifecycle
from automations.checking import problems
from automations.declarations import by_section, trigger
from automations.models import DateWatch, Run
from campaigns.models import Campaign
from connections.models import Resource
from contacts import tagging
from contacts.models import Contact, ContactList, CustomField, Kind, Tag
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.automations.conftest import Make, happened, having, on, person, settled, step, worked
from tests.connections.conftest import account, anybody, connect, deliver, live_hook, stripe  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = [step("add_tag", 1, tag="seen")]
Connect = Callable[..., Resource]


def payment(contact: Contact, **values: Any) -> RecurringPayment:
    number = RecurringPayment.objects.count()
    given = {"normalized_status": "ACTIVE", "currency": "EUR", "store_recurring_payment_id": f"sub_{number}"} | values
    return RecurringPayment.objects.create(contact=contact, source="stripe", account="acct_1", **given)


def changed(row: RecurringPayment, *changes: tuple[str, Any, Any], kind: Kind = Kind.RECURRING_PAYMENT_UPDATED) -> None:
    told = [{"field": field, "old": old, "new": new} for field, old, new in changes]
    happened(row.contact, kind, changes=told, recurring_payment=row.pk, currency=row.currency)


def started() -> int:
    worked()
    return Run.objects.count()


def event(contact: Contact, type_: str) -> None:
    happened(contact, Kind.SOURCE_EVENT, event_type=type_, object="ch_1", connection=1)


def test_the_stripe_trigger_offers_exactly_what_is_switched_on(
    account: SandboxAccount,
    connect: Connect,
) -> None:
    """A034 to A036: in the section CX Apps, once a resource is connected, its events and no others."""
    declared = trigger("stripe_event")
    assert declared and declared in by_section()["CX Apps"]
    assert "Connect a Stripe account" in declared.unavailable()
    connect("customer")
    assert declared.unavailable() == ""
    offered = declared.parameters[0].offered  # type: ignore[attr-defined]
    assert [type_ for type_, _ in offered()] == ["customer.created", "customer.updated"]
    connect("invoice", types=["invoice.payment_failed"])
    assert [type_ for type_, _ in offered()] == ["customer.created", "customer.updated", "invoice.payment_failed"]


def test_recurring_payment_entries_appear_once_one_is_synced(db: None) -> None:
    """B006, B009, B046: exactly two in their section."""
    section = by_section()["Recurring payments"]
    assert [one.label for one in section] == ["Recurring payment created", "Recurring payment updated"]
    assert all("synced" in one.unavailable() for one in section)
    payment(person())
    assert not any(one.unavailable() for one in section)


def test_an_event_of_stripe_starts_the_automation_and_its_mail(
    account: SandboxAccount,
    connect: Connect,
    deliver: Callable[[], Any],
    automation: Make,
) -> None:
    """A037, C004: charge.succeeded at Stripe puts one mail into the queue, with what the event says."""
    connect("customer")
    connect("charge")
    mail = Campaign.objects.create(name="Thanks", subject="{{ event.amount }}", text="Thanks")
    automation(on("stripe_event", event="charge.succeeded"), [step("send_mail", 1, campaign=mail.pk)])
    account.play("buy")
    deliver()
    worked()
    (queued,) = mail.mails.all()
    run = Run.objects.get()
    assert run.activity and run.activity.data["event_id"].startswith("evt_")
    assert queued.key == f"run:{run.pk}:s1"
    assert queued.event["type"] == "charge.succeeded"
    assert float(queued.event["amount"]) > 0


def test_a_canceled_subscription_starts_when_it_ends_and_not_when_that_is_planned(
    stripe: Sandbox,
    account: SandboxAccount,
    connect: Connect,
    deliver: Callable[[], Any],
    automation: Make,
) -> None:
    """C006."""
    connect("subscription")
    automation(on("canceled_subscription"), STEPS)
    account.play("subscribe")
    deliver()
    (subscription,) = account.objects("subscription")
    account.alter(subscription["id"], event="customer.subscription.updated", cancel_at_period_end=True)
    deliver()
    assert started() == 0
    stripe.set_clock(5)
    account.alter(subscription["id"], event="customer.subscription.deleted", status="canceled")
    deliver()
    assert started() == 1
    assert Run.objects.get().recurring_payment == RecurringPayment.objects.get()


def test_a_failure_that_was_mended_in_the_same_batch_still_starts_its_automation(
    stripe: Sandbox,
    account: SandboxAccount,
    connect: Connect,
    deliver: Callable[[], Any],
    automation: Make,
) -> None:
    """B047: every intermediate status counts."""
    connect("subscription")
    account.play("subscribe")
    deliver()
    automation(on("recurring_payment_updated", field="normalized_status", to="PAYMENT_FAILED"), STEPS)
    (subscription,) = account.objects("subscription")
    account.alter(subscription["id"], event="customer.subscription.updated", status="past_due")
    stripe.set_clock(5)
    account.alter(subscription["id"], event="customer.subscription.updated", status="active")
    deliver()
    assert started() == 1


def test_a_bigger_plan_is_an_upgrade_and_a_smaller_one_a_downgrade(
    stripe: Sandbox,
    account: SandboxAccount,
    connect: Connect,
    deliver: Callable[[], Any],
    automation: Make,
) -> None:
    """C018."""
    connect("subscription")
    account.play("subscribe")
    deliver()
    automation(on("subscription_upgraded"), STEPS, name="Up")
    automation(on("subscription_downgraded"), STEPS, name="Down")
    (subscription,) = account.objects("subscription")
    (item,) = subscription["items"]["data"]
    for seconds, quantity in ((5, 5), (10, 2)):
        stripe.set_clock(seconds)
        items = subscription["items"] | {"data": [item | {"quantity": quantity}]}
        account.alter(subscription["id"], event="customer.subscription.updated", items=items)
        deliver()
        worked()
    assert [run.automation.name for run in Run.objects.order_by("pk")] == ["Up", "Down"]


@pytest.mark.parametrize(
    ("ignore", "types"), [(True, ["charge.failed"]), (False, ["charge.failed", "payment_intent.payment_failed"])]
)
def test_failed_payment_asks_whether_to_ignore_payment_intents(
    connect: Connect,
    automation: Make,
    ignore: bool,
    types: list[str],
) -> None:
    """C007, C008: required, so it cannot be activated unset."""
    connect("charge", types=["charge.failed", "payment_intent.payment_failed"])
    unset = lifecycle.create("Unset", None, triggers=[on("failed_payment")], steps=STEPS)
    assert [(one.place, one.parameter) for one in problems(unset)] == [("triggers.0", "ignore_payment_intents")]
    automation(on("failed_payment", ignore_payment_intents=ignore), STEPS)
    ann = person()
    for type_ in ("charge.failed", "payment_intent.payment_failed", "charge.succeeded"):
        event(ann, type_)
    worked()
    assert sorted(Run.objects.values_list("activity__data__event_type", flat=True)) == types


@pytest.mark.parametrize(
    ("key", "resource", "type_"),
    [
        ("new_dispute", "charge", "charge.dispute.created"),
        ("checkout_session_completed", "checkout_session", "checkout.session.completed"),
        ("invoice_payment_failed", "invoice", "invoice.payment_failed"),
        ("new_customer", "customer", "customer.created"),
        ("new_subscription", "subscription", "customer.subscription.created"),
    ],
)
def test_named_triggers_are_their_event_and_no_other(
    connect: Connect,
    automation: Make,
    key: str,
    resource: str,
    type_: str,
) -> None:
    """C009 to C013."""
    declared = trigger(key)
    assert declared and declared.unavailable() and declared.instant
    connect(resource, types=[type_])
    assert not declared.unavailable()
    automation(on(key), STEPS)
    ann = person()
    event(ann, type_)
    event(ann, "invoice.updated")
    assert started() == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(None, None, 1), ("ACTIVE", "CANCELLED", 1), ("ACTIVE", None, 1), (None, "CANCELLED", 1), ("PAUSED", None, 0)],
)
def test_from_and_to_choose_the_change(automation: Make, old: str | None, new: str | None, expected: int) -> None:
    """B048, B049: any is allowed on either side."""
    row = payment(person())
    parameters = {"field": "normalized_status", "from": old, "to": new}
    automation(on("recurring_payment_updated") | {"parameters": parameters}, STEPS)
    changed(row, ("normalized_status", "ACTIVE", "CANCELLED"))
    changed(row, ("payment_amount", 100, 200))
    assert started() == expected


def test_amounts_are_written_as_people_write_them(automation: Make) -> None:
    row = payment(person())
    automation(on("recurring_payment_updated", field="payment_amount", to="49"), STEPS)
    changed(row, ("payment_amount", 2900, 4900))
    changed(row, ("payment_amount", 4900, 49))
    assert started() == 1


@pytest.mark.parametrize("written", ["49", "49.0", "49.00", " 49.00 "])
def test_an_amount_is_the_same_however_it_is_written(automation: Make, written: str) -> None:
    row = payment(person())
    automation(on("recurring_payment_updated", field="payment_amount", to=written), STEPS)
    changed(row, ("payment_amount", 2900, 4900))
    assert started() == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("payment_amount", "banana", "Write a number such as 49.50"),
        ("payment_amount", "49,00", "Write a number such as 49.50"),
        ("billing_interval_count", "nan", "Write a number such as 49.50"),
        ("normalized_status", "PAYED", "is not one of the choices"),
        ("next_payment_date", "soon", "Write a day such as"),
        ("cancel_at_period_end", "perhaps", "Choose yes or no"),
    ],
)
def test_a_value_that_the_field_never_has_is_refused_beside_it(
    db: None, marketer_client: Client, field: str, value: str, words: str
) -> None:
    """B048: such a trigger would never start."""
    payment(person())
    draft = lifecycle.create("Bigger", None)
    add = reverse("automations:trigger-add", args=[draft.pk, "recurring_payment_updated"])
    answer = marketer_client.post(add, {"p-field": field, "p-to": value, "p-runs": "every_time"})
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    stored = on("recurring_payment_updated", field=field, to=value)
    (problem,) = checking.problems_of_trigger(stored)
    assert problem.parameter == "to"


def test_created_starts_for_all_or_for_a_segment_of_recurring_payments(automation: Make) -> None:
    """B051 to B053."""
    chicago, madrid = payment(person(), billing_city="Chicago"), payment(person(), billing_city="Madrid")
    automation(on("recurring_payment_created", which="all"), STEPS, name="All")
    segment = having("recurring_payment.billing_city", "is", "Chicago")
    automation(on("recurring_payment_created", which="segment", segment=segment), STEPS, name="Chicago")
    changed(chicago, kind=Kind.RECURRING_PAYMENT_CREATED)
    changed(madrid, kind=Kind.RECURRING_PAYMENT_CREATED)
    worked()
    runs = sorted((run.automation.name, run.recurring_payment_id) for run in Run.objects.all())
    assert runs == [("All", chicago.pk), ("All", madrid.pk), ("Chicago", chicago.pk)]


def test_lists_and_fields_start_automations(automation: Make) -> None:
    vips = ContactList.objects.create(name="VIPs")
    CustomField.objects.create(key="plan", label="Plan")
    automation(on("list_joined", list=vips.pk), STEPS, name="Joined")
    automation(on("field_changed", field="field:plan", to="pro"), STEPS, name="Pro")
    ann = person()
    happened(ann, Kind.LIST_JOINED, list="VIPs", list_id=vips.pk)
    happened(ann, Kind.LIST_JOINED, list="Others", list_id=vips.pk + 1)
    happened(ann, Kind.CONTACT_UPDATED, changes=[{"field": "field:plan", "old": None, "new": "Pro"}])
    happened(ann, Kind.CONTACT_UPDATED, changes=[{"field": "field:plan", "old": "Pro", "new": "Basic"}])
    worked()
    assert sorted(Run.objects.values_list("automation__name", flat=True)) == ["Joined", "Pro"]


def look(**ago: float) -> None:
    """The watches were last looked at some time ago."""
    DateWatch.objects.update(reached=Now() - timedelta(**ago), next_attempt_at=Now())
    dating.drain()


def test_days_before_a_date_start_once_for_each_value_and_past_ones_nothing(automation: Make) -> None:
    now = timezone.now()
    due = payment(person(), next_payment_date=now + timedelta(days=3, minutes=-1))
    payment(person(), next_payment_date=now + timedelta(days=2))
    payment(person(), next_payment_date=now + timedelta(days=4))
    parameters = {"field": "recurring_payment.next_payment_date", "days": 3, "when": "before"}
    automation(on("date_of_recurring_payment", **parameters), STEPS)
    dating.drain()
    assert not Run.objects.exists(), "what was due before the activation is skipped"
    look(minutes=10)
    look(minutes=10)
    assert [run.recurring_payment for run in Run.objects.all()] == [due]
    due.next_payment_date = now + timedelta(days=3, minutes=-2)
    due.save()
    look(minutes=10)
    assert Run.objects.count() == 2, "another date is another start"


def test_days_after_a_day_of_a_contact(automation: Make) -> None:
    """A day without a time comes at nine in the morning."""
    CustomField.objects.create(key="joined", label="Joined", type="date")
    yesterday = (timezone.localtime() - timedelta(days=1)).date()
    ann = person(custom={"joined": yesterday.isoformat()})
    person(custom={"joined": (yesterday - timedelta(days=20)).isoformat()})
    automation(on("date_of_contact", field="contact.field:joined", days=0, when="after"), STEPS)
    look(days=3)
    assert [run.contact for run in Run.objects.all()] == [ann]
    assert dating.moment_of(datetime(2026, 1, 1, tzinfo=UTC).date()).hour in range(24)


def test_dates_that_came_just_before_a_new_version_start_it_all_the_same(automation: Make) -> None:
    """A changed step must not cost the reminders that came due since the last look; a changed trigger starts afresh."""
    moment = timezone.now() - timedelta(minutes=5)
    payment(person(), cancelled_date=moment)
    parameters = {"field": "recurring_payment.cancelled_date", "days": 0, "when": "after"}
    made = automation(on("date_of_recurring_payment", **parameters), STEPS)
    DateWatch.objects.update(reached=Now() - timedelta(minutes=10), next_attempt_at=Now())
    made = lifecycle.save_draft(made.pk, made.revision, steps=[step("add_tag", 1, tag="other")])
    lifecycle.activate(made.pk, None)
    dating.drain()
    assert Run.objects.count() == 1
    DateWatch.objects.update(reached=Now() - timedelta(days=9), next_attempt_at=Now())
    other = [on("date_of_recurring_payment", **{**parameters, "days": 1})]
    made = lifecycle.save_draft(made.pk, made.revision, triggers=other)
    lifecycle.activate(made.pk, None)
    assert DateWatch.objects.get().reached > timezone.now() - timedelta(minutes=1)


def test_a_condition_that_cannot_be_read_holds_up_no_other_dates(automation: Make) -> None:
    field = CustomField.objects.create(key="plan", label="Plan")
    payment(person(), cancelled_date=timezone.now() - timedelta(minutes=5))
    parameters = {"field": "recurring_payment.cancelled_date", "days": 0, "when": "after"}
    plan = having("contact.field:plan", "is", "Pro")
    automation(on("date_of_recurring_payment", conditions=plan, **parameters), STEPS)
    automation(on("date_of_recurring_payment", **parameters), STEPS, name="Fine")
    field.delete()
    look(minutes=10)
    assert [run.automation.name for run in Run.objects.all()] == ["Fine"]
    assert set(DateWatch.objects.values_list("state", flat=True)) == {"due"}


def test_automations_follow_a_tag_that_gets_another_name(automation: Make) -> None:
    tag = Tag.objects.create(name="lead")
    trials = having("contact.tag", "has", "lead")
    way = step("if_else", 1, {"yes": [step("remove_tag", 2, tag="lead")], "no": []}, conditions=trials)
    made = automation(on("tag_added", conditions=trials, tag="lead"), [way], exit_conditions=trials)
    with transaction.atomic():
        Tag.objects.filter(pk=tag.pk).update(name="prospect")
        tagging.renamed("lead", "prospect")
    made = type(made).objects.select_related("current").get(pk=made.pk)
    assert made.current and not made.has_changes
    assert "lead" not in json.dumps(made.content)
    assert json.dumps(made.content).count("prospect") == 5


def test_a_page_of_a_stretch_is_followed_by_the_next(automation: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dating, "PAGE", 2)
    moment = timezone.now() - timedelta(minutes=5)
    for _ in range(5):
        payment(person(), cancelled_date=moment)
    parameters = {"field": "recurring_payment.cancelled_date", "days": 0, "when": "after"}
    automation(on("date_of_recurring_payment", **parameters), STEPS)
    look(minutes=10)
    assert Run.objects.count() == 5


def test_a_mail_with_recurring_payment_tags_needs_such_a_trigger(db: None) -> None:
    """B042."""
    payment(person())
    mail = Campaign.objects.create(name="Renewal", subject="{{ recurring_payment.name }}", text="x")
    steps = [step("send_mail", 1, campaign=mail.pk)]
    refused = lifecycle.create("A", None, triggers=[on("tag_added", tag="x")], steps=steps)
    (problem,) = problems(refused)
    assert problem.place == "s1"
    assert "recurring payment trigger" in str(problem)
    fine = lifecycle.create("B", None, triggers=[on("recurring_payment_created", which="all")], steps=steps)
    assert problems(fine) == []
    mixed = [on("recurring_payment_created", which="all"), on("tag_added", tag="x")]
    assert problems(lifecycle.create("C", None, triggers=mixed, steps=steps))


def test_a_trigger_is_tried_on_the_newest_real_samples(db: None) -> None:
    """C005."""
    declared = trigger("recurring_payment_updated")
    row = payment(person("ann@example.com"), name="Pro plan")
    changed(row, ("normalized_status", "ACTIVE", "PAUSED"))
    assert declared
    (sample,) = declared.samples({"field": "normalized_status"})
    assert ("Email address", "ann@example.com") in sample.fields
    assert ("Recurring payment status", "Active → Paused") in sample.fields
    assert (sample.contact_id, sample.recurring_payment_id) == (row.contact_id, row.pk)


def test_a_subscription_of_a_customer_without_an_address_starts_when_it_comes(
    account: SandboxAccount, connect: Connect, deliver: Callable[[], list[Any]], automation: Make
) -> None:
    """B051: through Stripe, hours later."""
    connect("customer")
    connect("subscription")
    payment(person())
    automation(on("recurring_payment_created"), STEPS)
    customer = account.create_customer(email="", name="Nobody Known")
    account.subscribe(customer["id"])
    deliver()
    settled()
    worked()
    assert not Run.objects.exists()
    account.update_customer(customer["id"], email="ann@example.com")
    deliver()
    settled()
    awaiting.drain()
    worked()
    run = Run.objects.get()
    assert run.contact.email == "ann@example.com" and run.recurring_payment
