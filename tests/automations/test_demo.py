"""`demo_automations`: what somebody who opens the demo finds, and the mails that the product itself then sends."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from automations import demo
from automations.destinations.models import Destination
from automations.models import Automation, Run
from campaigns import delivery, direct, sending
from campaigns.models import Campaign, SentCopy
from connections import setup
from connections.models import Resource
from connections.setup import Choice
from connections.sources.stripe import events
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount, serve
from sandbox.stripe.demo import NORTHWIND
from sandbox.webhook_receiver.world import DEMO_SECRET
from segments.models import Segment
from tests.automations.conftest import settled, worked
from tests.connections.conftest import ROWS, work

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("customer", "subscription", "invoice", "charge", "checkout_session")


@pytest.fixture
def stripe(settings: Any) -> Iterator[Sandbox]:
    with serve() as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        settings.EMAIL_BACKEND = "campaigns.mailbox.EmailBackend"
        settings.DEMO = True
        sandbox.hold()
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox, live_app: Any) -> SandboxAccount:
    account = stripe.account(NORTHWIND, local_webhooks=True)
    connected = setup.connect(account.key)
    for kind in KINDS:
        setup.add_resource(connected, Choice(kind, "new_only", Resource.Data.ALL, events.defaults(kind), ROWS))
    return account


def arrive(stripe: Sandbox) -> None:
    stripe.deliver()
    work()
    settled()
    worked()
    sending.drain()


def begin(stripe: Sandbox) -> None:
    """The command beside the workers, as in the demo."""

    def call() -> None:
        try:
            call_command("demo_automations", stripe.base_url)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        called = threads.submit(call)
        while not called.done():
            arrive(stripe)
        called.result()


def test_the_demo_opens_with_automations_at_work_and_mails_in_the_mailbox(
    stripe: Sandbox, account: SandboxAccount
) -> None:
    assert delivery.is_configured()
    begin(stripe)
    arrive(stripe)
    states = dict(Automation.objects.values_list("name", "state"))
    assert states == {
        "Payment failed follow-up": "active",
        "Thanks for the first payment": "active",
        "Renewal reminder": "draft",
    }
    failing = RecurringPayment.objects.filter(normalized_status="PAYMENT_FAILED")
    assert failing.count() == 2
    subjects = sorted(SentCopy.objects.values_list("subject", flat=True))
    assert "Your payment of €29.00 did not go through" in subjects
    assert "Your payment of €79.00 did not go through" in subjects
    assert "Thank you for your order" in subjects
    campaign = Campaign.objects.get(kind=Campaign.Kind.DIRECT)
    assert [str(one) for one in campaign.segments.all()] == [demo.YEARLY]
    assert direct.Audience.of(campaign).count().chosen == 0
    assert Segment.objects.count() == 2


def test_a_second_start_makes_nothing(stripe: Sandbox, account: SandboxAccount) -> None:
    begin(stripe)
    arrive(stripe)

    def made() -> tuple[int, ...]:
        return tuple(model._default_manager.count() for model in (Automation, Campaign, Segment, Run, SentCopy))

    before = made()
    call_command("demo_automations", stripe.base_url)
    arrive(stripe)
    assert made() == before


def test_elsewhere_it_is_refused(stripe: Sandbox, settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError):
        call_command("demo_automations", stripe.base_url)
    assert not Automation.objects.exists()


def test_what_the_demo_sends_is_signed_with_the_secret_its_receiver_knows(settings: Any) -> None:
    settings.DEMO = True
    call_command("demo_destinations", "http://127.0.0.1:9/hooks", DEMO_SECRET, "eu:site:key")
    call_command("demo_destinations", "http://127.0.0.1:10/hooks", DEMO_SECRET, "eu:site:key")
    webhook = Destination.objects.get(kind=Destination.Kind.WEBHOOK)
    secret = webhook.open("secret")
    assert secret
    assert (secret.open(), webhook.url) == (DEMO_SECRET, "http://127.0.0.1:10/hooks")
