"""Automations in the browser: from nothing to a mail in the mailbox, with JavaScript and without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail

from automations import lifecycle
from automations.models import Automation, Run
from campaigns import sending
from campaigns.models import Campaign
from common.formats import money_text
from connections import setup
from connections.models import Resource
from connections.setup import Choice
from connections.sources.stripe import events
from contacts.models import ContactTag, Tag
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount, serve
from segments.compiling import contacts_matching
from segments.conditions import parse
from tests.automations.conftest import on, person, step, worked
from tests.connections.conftest import ROWS, work
from tests.journeys.test_segments import answers_held, condition, fill
from tests.journeys.usable import look
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenPage = Callable[..., Any]


@pytest.fixture
def stripe(settings: Any) -> Iterator[Sandbox]:
    with serve() as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        sandbox.hold()
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox, live_app: Any) -> SandboxAccount:
    account = stripe.account("Northwind Studio", local_webhooks=True)
    connection = setup.connect(account.key)
    for kind in ("customer", "subscription", "invoice"):
        setup.add_resource(connection, Choice(kind, "new_only", Resource.Data.ALL, events.defaults(kind), ROWS))
    return account


@pytest.fixture
def reminder(db: None) -> Campaign:
    return Campaign.objects.create(
        name="Payment failed",
        subject="Your payment of {{ recurring_payment.payment_amount }} failed",
        html="<p>We could not take {{ recurring_payment.payment_amount }}.</p>",
    )


def arrive(stripe: Sandbox) -> None:
    """Deliver everything that waits, and let all workers do what is due."""
    stripe.deliver()
    work()
    worked()
    sending.drain()


@pytest.mark.parametrize("width", [1440, 390])
def test_a_failed_payment_reminder_from_nothing_to_the_mailbox(
    open_page: OpenPage,
    marketer: User,
    stripe: Sandbox,
    account: SandboxAccount,
    reminder: Campaign,
    width: int,
) -> None:
    """C002, A037, B047, B049, B050, B041: by clicks; only active to failed starts it, once for a contact."""
    subscription = account.subscribe()
    arrive(stripe)
    size = {"width": width, "height": 900}
    page = open_page(marketer, "/automations/", viewport=size, reduced_motion="reduce")
    page.get_by_role("link", name="Create automation").first.click()
    page.get_by_label("Name").fill("Failed payment reminder")
    page.locator("dialog").get_by_role("button", name="Create automation").click()
    page.get_by_role("link", name="Choose a trigger").click()
    page.get_by_role("link", name=re.compile("^Recurring payment updated")).click()
    page.locator("#id_p-from").select_option("PAUSED")
    page.get_by_label("To", exact=False).last.select_option("PAYMENT_FAILED")
    page.get_by_label("Runs").select_option("once")
    page.get_by_role("button", name="Save trigger").click()
    page.get_by_role("link", name="Add an action").click()
    page.get_by_role("link", name=re.compile("^Send a mail")).click()
    page.get_by_role("button", name="Add step").click()
    page.get_by_text("Fill in this field.").wait_for()
    page.get_by_label("Mail", exact=True).select_option(label="Payment failed")
    page.get_by_role("button", name="Add step").click()
    page.locator("#step-s1").wait_for()
    look(page, f"automation-{width}")
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("is active and waits for what starts it").wait_for()
    account.fail_payment(subscription["id"])
    arrive(stripe)
    account.recover(subscription["id"])
    arrive(stripe)
    assert not Run.objects.exists()
    page.locator("#trigger-0-edit").click()
    page.locator("#id_p-from").select_option("ACTIVE")
    page.get_by_role("button", name="Save trigger").click()
    page.get_by_role("button", name="Activate changes").click()
    page.get_by_text("Version 2", exact=False).first.wait_for()
    account.fail_payment(subscription["id"])
    arrive(stripe)
    payment = RecurringPayment.objects.get()
    (sent,) = mail.outbox
    assert payment.contact
    assert payment.contact.email in sent.to[0]
    assert payment.payment_amount
    assert sent.subject == f"Your payment of {money_text(payment.payment_amount, payment.currency)} failed"
    account.recover(subscription["id"])
    arrive(stripe)
    account.fail_payment(subscription["id"])
    arrive(stripe)
    assert (len(mail.outbox), Run.objects.count()) == (1, 1)
    page.get_by_role("link", name=re.compile("^Runs")).click()
    page.locator("#runs .cell-link").click()
    page.get_by_text("Mail “Payment failed” queued.").wait_for()
    look(page, f"run-{width}")
    page.get_by_role("link", name="Event that started it").click()
    page.get_by_text(re.compile("customer.subscription.updated")).first.wait_for()


def test_a_flow_is_drawn_without_javascript(open_page: OpenPage, marketer: User) -> None:
    page = open_page(marketer, "/automations/new/", javascript=False)
    page.get_by_label("Name").fill("Thanks")
    page.get_by_role("button", name="Create automation").click()
    page.get_by_role("link", name="Choose a trigger").click()
    page.get_by_role("link", name=re.compile("^Tag added")).click()
    page.get_by_role("button", name="Save trigger").click()
    for tag in ("one", "two"):
        page.get_by_role("link", name=re.compile("Add an action|Add a step at the beginning")).first.click()
        page.get_by_role("link", name=re.compile("^Add a tag")).click()
        page.get_by_label("Tag", exact=True).fill(tag)
        page.get_by_role("button", name="Add step").click()
    page.locator("#step-s2-down").click()
    page.locator("#flow li:has(#step-s1) ~ li #step-s2").wait_for()
    assert [one["parameters"]["tag"] for one in Automation.objects.get().steps] == ["one", "two"]
    page.get_by_role("button", name="Undo last change").click()
    page.locator("#flow li:has(#step-s2) ~ li #step-s1").wait_for()
    assert [one["parameters"]["tag"] for one in Automation.objects.get().steps] == ["two", "one"]
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("is active and waits for what starts it").wait_for()
    assert Automation.objects.get().state == "active"


def test_steps_change_in_place(open_page: OpenPage, marketer: User) -> None:
    """The flow is swapped alone: no page is loaded, the focus stays on the button."""
    steps = [step("add_tag", 1, tag="one"), step("add_tag", 2, tag="two")]
    made = lifecycle.create("Tags", None, triggers=[on("tag_added")], steps=steps)
    page = open_page(marketer, made.get_absolute_url())
    page.evaluate("window.stays = true")
    page.locator("#step-s1-down").click()
    page.locator("#flow li:has(#step-s2) ~ li #step-s1").wait_for()
    assert page.evaluate("window.stays")
    page.locator("#step-s2").get_by_role("button", name=re.compile("^Actions")).click()
    page.locator("#step-s2-menu").get_by_role("button", name="Remove step").click()
    page.locator("#step-s2").wait_for(state="detached")
    page.get_by_role("button", name="Undo last change").click()
    page.locator("#step-s2").wait_for()
    assert page.evaluate("window.stays")


@pytest.mark.parametrize("width", [1440, 390])
def test_if_else_with_three_groups_is_built_by_clicks(open_page: OpenPage, marketer: User, width: int) -> None:
    """B037: in a group, a tag or the group of a name and a phone; built by clicks within a step."""
    vip = Tag.objects.create(name="vip")
    made = lifecycle.create("Sort", None, triggers=[on("tag_added", tag="go")])
    size = {"width": width, "height": 900}
    page = open_page(marketer, made.get_absolute_url(), viewport=size, reduced_motion="reduce")
    page.get_by_role("link", name="Add an action").click()
    page.get_by_role("link", name=re.compile("^If . else")).click()
    page.get_by_role("dialog", name="If / else").wait_for()
    fill(page, "1", "contact.email", "ends_with", Value="@example.com")
    page.locator("#c-conditions-add-group").click()
    fill(page, "2.1", "contact.tag", "has", Value="vip")
    page.locator("#c-conditions-1-match").select_option("any")
    page.locator("#c-conditions-1-add-group").click()
    fill(page, "2.2.1", "contact.first_name", "is", Value="Ben")
    page.locator("#c-conditions-1-1-add").click()
    fill(page, "2.2.2", "contact.phone", "is_not_empty")
    look(page, f"automation-groups-{width}")
    page.get_by_role("button", name="Add step").click()
    page.locator("#step-s1").wait_for()
    ana = person("ana@example.com")
    person("ben@example.com", first_name="Ben", phone="1")
    person("cem@example.com", first_name="Ben")
    ContactTag.objects.create(contact=ana, tag=vip)
    (saved,) = Automation.objects.get().steps
    found = contacts_matching(parse(saved["parameters"]["conditions"])).values_list("email", flat=True)
    assert set(found) == {"ana@example.com", "ben@example.com"}


def test_what_is_typed_in_a_drawer_while_it_answers_stays(open_page: OpenPage, marketer: User) -> None:
    """B037: neither what the builder answers nor what a choice redraws takes away what was typed since."""
    Tag.objects.create(name="go")
    made = lifecycle.create("Sort", None, triggers=[on("tag_added", tag="go")])
    page = open_page(marketer, made.get_absolute_url(), reduced_motion="reduce")
    page.get_by_role("link", name="Add an action").click()
    page.get_by_role("link", name=re.compile("^If . else")).click()
    fill(page, "1", "contact.first_name", "is", Value="B")
    value = condition(page, "1").get_by_label("Value", exact=True)
    with answers_held(page):
        condition(page, "1").get_by_label("Comparison", exact=True).select_option("starts_with")
        page.locator("#c-conditions-add").click()
        value.fill("Be")
        value.blur()
    condition(page, "2").wait_for()
    fill(page, "2", "contact.tag", "has", Value="go")
    expect(value).to_have_value("Be")
    with answers_held(page):
        page.get_by_role("button", name="Remove condition 2").click()
        value.fill("Ben")
        value.press("Enter")
    page.locator("#step-s1").wait_for()
    (saved,) = Automation.objects.get().steps
    found = [(one["operator"], one["value"]) for one in saved["parameters"]["conditions"]["items"]]
    assert found == [("starts_with", "Ben")]


def test_a_mail_with_recurring_payment_tags_is_refused_where_there_is_none(
    open_page: OpenPage, marketer: User, reminder: Campaign
) -> None:
    """B042: beside the mail, with the reason; with another trigger it stands."""
    RecurringPayment.objects.create(contact=person(), source="stripe", account="a", normalized_status="ACTIVE")
    made = lifecycle.create("Reminder", None, triggers=[on("tag_added", tag="go")])
    page = open_page(marketer, made.get_absolute_url())
    page.get_by_role("link", name="Add an action").click()
    page.get_by_role("link", name=re.compile("^Send a mail")).click()
    page.get_by_label("Mail", exact=True).select_option(label=reminder.name)
    page.get_by_role("button", name="Add step").click()
    page.locator("dialog .field-error", has_text="They work only in an automation").first.wait_for()
    look(page, "automation-refused-tag")
    assert Automation.objects.get().steps == []
    lifecycle.save_draft(made.pk, 1, triggers=[on("recurring_payment_created", which="all")])
    page.goto(made.get_absolute_url())
    page.get_by_role("link", name="Add an action").click()
    page.get_by_role("link", name=re.compile("^Send a mail")).click()
    page.get_by_label("Mail", exact=True).select_option(label=reminder.name)
    page.get_by_role("button", name="Add step").click()
    page.locator("#step-s1").wait_for()
    assert len(Automation.objects.get().steps) == 1
