"""Automations, their runs, recipes and destinations can be used by everybody, whatever the names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import reverse

from automations.destinations.models import Delivery
from automations.models import Automation, Run
from campaigns.models import Campaign
from recurring_payments.models import RecurringPayment
from sandbox import webhook_receiver
from sandbox.webhook_receiver import Receiver
from tests.automations.conftest import automation, having, on, person, step, tagged, worked  # noqa: F401  (fixture)
from tests.automations.destinations import EMAIL, due_again, rested, sent, webhook
from tests.journeys.usable import assert_usable
from users.models import User

pytest.importorskip("playwright")
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "W" * 140
Make = Callable[..., Automation]


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.DEMO = True
    with webhook_receiver.serve("whsec_" + "b3RoZXI=" * 4) as running:
        yield running


@pytest.fixture
def busy(automation: Make, receiver: Receiver) -> Automation:  # noqa: F811
    """An automation whose one run has sent a webhook that was refused twice."""
    shop, _ = webhook(receiver.url, name=LONG[:100])
    mail = Campaign.objects.create(name=LONG, subject="Hello", html="<p>x</p>")
    branches = {
        "yes": [step("send_mail", 3, campaign=mail.pk)],
        "no": [step("wait", 4, duration={"amount": 3, "unit": "days"})],
    }
    steps = [
        step("webhook", 1, destination=shop.pk, name="order.paid", mapping=[EMAIL]),
        step("if_else", 2, branches, conditions=having("contact.first_name", "is", "Ann")),
    ]
    made = automation(on("tag_added", tag="start"), steps, name=LONG)
    contact = person("ann@example.com", first_name=LONG)
    RecurringPayment.objects.create(contact=contact, source="stripe", account="a", normalized_status="ACTIVE")
    tagged(contact, "start")
    worked()
    for _ in range(2):
        sent()
        rested()
        due_again(Delivery.objects.get())
    return made


def test_pages_of_automations(open_page: Callable[..., Any], admin: User, busy: Automation) -> None:
    run, delivery = Run.objects.get(), Delivery.objects.get()
    page = open_page(admin, busy.get_absolute_url())
    pages = {
        "automation-runs": reverse("automations:automation-runs", args=[busy.pk]),
        "automation-walk": reverse("automations:walk", args=[busy.pk]),
        "automations": reverse("automations:list"),
        "recipes": reverse("automations:recipes"),
        "runs": reverse("automations:runs"),
        "run": run.get_absolute_url(),
        "destinations": reverse("destinations:list"),
        "destination": delivery.destination.get_absolute_url(),
        "delivery": delivery.get_absolute_url(),
        "destination-webhook": reverse("destinations:add-webhook"),
        "destination-customerio": reverse("destinations:add-customerio"),
        "failure-mails": reverse("destinations:failure-mails"),
    }
    for name, path in pages.items():
        page.goto(path)
        assert_usable(page, name)


def test_the_builder_and_its_drawers(open_page: Callable[..., Any], marketer: User, busy: Automation) -> None:
    page = open_page(marketer, busy.get_absolute_url())
    assert_usable(page, "builder")
    openers = (
        "trigger-new",
        "trigger-0-edit",
        "step-s1-edit",
        "step-s2-edit",
        "step-s3-edit",
        "exits-edit",
        "plus---0",
    )
    for opener in openers:
        page.locator(f"#{opener}").click()
        page.locator("#layer dialog[open]").wait_for()
        assert_usable(page, f"drawer-{opener}")
        page.keyboard.press("Escape")
        page.locator("#layer dialog").wait_for(state="detached")
    for name, path in {
        "drawer-updated": reverse("automations:trigger-add", args=[busy.pk, "recurring_payment_updated"]),
        "drawer-created": reverse("automations:trigger-add", args=[busy.pk, "recurring_payment_created"]),
    }.items():
        page.goto(path)
        assert_usable(page, name)
