"""Polling that nobody wished for ends when this installation gets an address that Stripe takes, and not before it is
proven that Stripe reaches it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import address, api, checks, delivery, polling, proving, setup
from connections.models import Connection, ConnectionStatus, InboundEvent, Resource
from contacts.models import Contact
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_app_pages import text

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
# A live account of Stripe takes no address without TLS; the sandbox says so, too.
REFUSED = "http://crm.example.com"


@pytest.fixture
def refused(connect: Connect, settings: Any) -> Connection:
    """Connected by itself with polling, as Stripe refused our address."""
    settings.SITE_URL = REFUSED
    connection = connect("customer").connection
    connection.refresh_from_db()
    assert (connection.polls, connection.delivery, connection.refused_address) == (True, "auto", REFUSED)
    return connection


def an_hour_passes() -> None:
    ConnectionStatus.objects.update(next_check_at=Now(), next_poll_at=Now(), throttled_until=None)


def test_the_same_address_is_not_asked_for_again(refused: Connection, stripe: Sandbox) -> None:
    an_hour_passes()
    stripe.clear_requests()
    assert checks.drain() == 0 and not stripe.requests("/v1/webhook_endpoints")


def test_a_new_address_gets_its_webhook_and_is_proven_by_the_first_delivery(
    refused: Connection, account: SandboxAccount, live_hook: None, deliver: Deliver, marketer_client: Client
) -> None:
    """Only SITE_URL changed. Until Stripe has reached it, new events are asked for as often as before."""
    an_hour_passes()
    assert checks.drain() == 1
    refused.refresh_from_db()
    assert (refused.polls, refused.unproven_since is None, refused.refused_address) == (False, False, "")
    assert len(account.objects("webhook_endpoint")) == 1
    assert "On trial" in text(marketer_client, "/apps/stripe/webhooks/")
    assert "Webhook, on trial" in text(marketer_client, "/apps/stripe/")
    an_hour_passes()
    polling.drain()
    soon = Now() + timedelta(seconds=polling.SLOWEST)
    assert ConnectionStatus.objects.filter(next_poll_at__lte=soon).exists()

    account.create_customer(email="ada@mill.example")
    assert [attempt["status"] for attempt in deliver()] == [200]
    an_hour_passes()
    polling.drain()

    refused.refresh_from_db()
    assert refused.unproven_since is None and not refused.polls
    an_hour_passes()
    polling.drain()
    assert not ConnectionStatus.objects.filter(next_poll_at__lte=soon).exists()
    assert "On trial" not in text(marketer_client, "/apps/stripe/webhooks/")


def test_an_address_that_nothing_reaches_is_given_up_and_no_event_is_late(
    refused: Connection, account: SandboxAccount, stripe: Sandbox, settings: Any, marketer_client: Client
) -> None:
    """Stripe takes what looks public. Polling comes back, says why, and this address is not tried by itself again."""
    settings.SITE_URL = "https://crm.example.com"
    an_hour_passes()
    checks.drain()
    for number in range(proving.ENOUGH):
        account.create_customer(email=f"c{number}@mill.example")
    stripe.discard()
    an_hour_passes()
    assert polling.drain() == proving.ENOUGH, "asked for as before"
    assert not InboundEvent.objects.filter(missed=True).exists()
    assert not Connection.objects.get().polls, "it is too early to tell"
    # Ten minutes later.
    Connection.objects.update(unproven_since=Now() - proving.PATIENCE - timedelta(seconds=1))
    an_hour_passes()
    polling.drain()
    connection = Connection.objects.get()
    assert (connection.polls, connection.unproven_since, connection.endpoint_id) == (True, None, "")
    assert account.objects("webhook_endpoint") == []
    assert "nothing arrived by it" in text(marketer_client, "/apps/stripe/webhooks/")
    an_hour_passes()
    assert checks.drain() == 0


def test_a_webhook_is_not_given_up_while_stripe_is_away(
    refused: Connection, account: SandboxAccount, stripe: Sandbox, settings: Any
) -> None:
    settings.SITE_URL = "https://crm.example.com"
    an_hour_passes()
    checks.drain()
    for number in range(proving.ENOUGH):
        account.create_customer(email=f"c{number}@mill.example")
    stripe.discard()
    Connection.objects.update(unproven_since=Now() - proving.PATIENCE - timedelta(seconds=1))
    stripe.faults(status=500, method="DELETE", path="/v1/webhook_endpoints", count=9)
    an_hour_passes()
    polling.drain()
    assert not Connection.objects.get().polls
    stripe.clear_faults()
    an_hour_passes()
    polling.drain()
    assert Connection.objects.get().polls and account.objects("webhook_endpoint") == []


def test_a_wish_for_polling_is_offered_a_webhook_and_gets_none_unasked(
    connect: Connect, account: SandboxAccount, settings: Any, marketer_client: Client
) -> None:
    connection = connect("customer").connection
    connection.delivery = Connection.Delivery.POLLING
    connection.save()
    checks.check(connection)
    offer = "has a public address now"
    settings.SITE_URL = "http://10.0.0.8:8000"
    assert offer not in text(marketer_client, "/apps/stripe/webhooks/")
    settings.SITE_URL = "https://crm.example.com"
    assert offer in text(marketer_client, "/apps/stripe/webhooks/")
    assert "Try a webhook" in text(marketer_client, "/apps/stripe/")
    an_hour_passes()
    assert checks.drain() == 0 and account.objects("webhook_endpoint") == []
    page = marketer_client.post(f"/apps/stripe/accounts/{connection.pk}/repair/", follow=True).content.decode()
    assert "Until something arrives by it" in page and offer not in page
    assert len(account.objects("webhook_endpoint")) == 1


def test_a_first_connection_is_not_on_trial(connect: Connect, live_hook: None) -> None:
    """Its import asks Stripe anyway, and the safety net tells what did not come."""
    assert connect("customer").connection.unproven_since is None


def test_disconnecting_forgets_what_stripe_refused(refused: Connection) -> None:
    setup.disconnect(refused)
    refused.refresh_from_db()
    assert (refused.refused_address, refused.unproven_since) == ("", None)
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    ("ours", "public"),
    [
        ("https://crm.example.com", True),
        ("https://crm.example.com:8443", True),
        ("https://8.8.8.8", True),
        ("http://crm.example.com", False),
        ("https://localhost", False),
        ("https://mill.local", False),
        ("https://192.168.1.9", False),
        ("https://[::1]:8000", False),
        ("https://crm", False),
    ],
)
def test_which_addresses_look_public(ours: str, public: bool) -> None:
    assert address.is_public(ours) is public


def test_what_could_not_be_asked_of_a_webhook_is_no_trouble_of_polling(
    connect: Connect, stripe: Sandbox, live_hook: None, marketer_client: Client
) -> None:
    """An outage of long ago does not count once the account polls, nor when it has a webhook again."""
    connection = connect("customer").connection
    ConnectionStatus.objects.update(unchecked_since=Now() - timedelta(days=9))
    delivery.deliver(connection, Connection.Delivery.POLLING, {}, api.client_of(connection))
    assert Connection.objects.get().polls and ConnectionStatus.objects.get().unchecked_since is None

    # Somebody asks for the webhook during two outages, days apart.
    stripe.faults(path="/v1/webhook_endpoints", count=0, status=500)
    for _ in range(2):
        page = marketer_client.post(f"/apps/stripe/accounts/{connection.pk}/repair/", follow=True).content.decode()
        assert "cannot be reached" in page
        assert Connection.objects.get().endpoint_error == ""
        ConnectionStatus.objects.update(throttled_until=None)
        ConnectionStatus.objects.exclude(unchecked_since=None).update(unchecked_since=Now() - timedelta(days=2))
    assert ConnectionStatus.objects.get().unchecked_since is None
