"""The Stripe trigger is there once a resource is connected, with its events; runs lead back to the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations import lifecycle
from automations.models import Run
from connections.models import Resource
from connections.sources.stripe import events
from sandbox.stripe import SandboxAccount
from tests.automations.conftest import Make, on, step, worked
from tests.connections.conftest import account, connect, deliver, live_hook, stripe  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]


def offered(client: Client, pk: int) -> set[str]:
    """The events the form of the trigger has in its select."""
    shown = client.get(reverse("automations:trigger-add", args=[pk, "stripe_event"])).content.decode()
    select = re.search(r'<select name="p-event".*?</select>', shown, re.DOTALL)
    assert select
    return {value for value in re.findall(r'value="([^"]*)"', select[0]) if value}


def test_the_stripe_card_appears_with_exactly_the_connected_events(
    marketer_client: Client,
    connect: Connect,
) -> None:
    """A034, A035, A036."""
    draft = lifecycle.create("Draft", None)
    choose = reverse("automations:trigger-choose", args=[draft.pk])
    assert "Stripe event received" not in marketer_client.get(choose).content.decode()
    connect("customer")
    section = marketer_client.get(choose).content.decode().partition("CX Apps")[2].partition("</section>")[0]
    assert "Stripe event received" in section
    customers = set(events.defaults("customer"))
    assert offered(marketer_client, draft.pk) == customers
    connect("invoice")
    assert offered(marketer_client, draft.pk) == customers | set(events.defaults("invoice"))


def test_a_run_leads_back_to_the_event_that_started_it(
    marketer_client: Client,
    account: SandboxAccount,
    connect: Connect,
    deliver: Callable[[], list[Any]],
    automation: Make,
) -> None:
    """C004: within the seconds of the workers, and its log row is one click away."""
    connect("customer")
    automation(on("stripe_event", event="customer.created"), [step("add_tag", 1, tag="welcome")])
    account.create_customer()
    deliver()
    worked()
    run = Run.objects.get()
    shown = marketer_client.get(run.get_absolute_url()).content.decode()
    link = re.search(r'href="([^"]+)">Event that started it', shown)
    assert link
    assert "customer.created" in marketer_client.get(link[1]).content.decode().replace("<wbr>", "")
