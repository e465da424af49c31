"""The endpoint is looked after: what is out of order is mended (reliability 2.7, row 57)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import api, checks, setup
from connections.health import attention
from connections.models import Connection, ConnectionStatus, Resource
from contacts.models import Contact
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]


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


def test_a_moment_in_which_stripe_cannot_be_asked_is_no_fault_of_the_webhook(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, marketer_client: Client
) -> None:
    """Deliveries come in all the while. It is looked at again in a minute, and told when it has lasted for hours."""
    connection = connect("customer").connection
    work()
    ConnectionStatus.objects.update(next_check_at=Now())
    stripe.faults(path="/v1/webhook_endpoints", count=0, status=500)
    checks.drain()
    soon = Now() + timedelta(minutes=2)
    assert Connection.objects.get().endpoint_error == "" and attention(None) == 0
    assert ConnectionStatus.objects.filter(next_check_at__gt=Now(), next_check_at__lt=soon).exists()
    # Who asks is answered.
    page = marketer_client.post(f"/apps/stripe/accounts/{connection.pk}/repair/", follow=True).content.decode()
    assert "cannot be reached" in page and Connection.objects.get().endpoint_error == ""

    # Nobody asked for days, as with an account that polled: that is no long silence of Stripe's.
    ConnectionStatus.objects.update(checked_at=Now() - timedelta(days=4), next_check_at=Now(), throttled_until=None)
    Connection.objects.update(connected_at=Now() - timedelta(days=9))
    checks.drain()
    assert Connection.objects.get().endpoint_error == "" and attention(None) == 0

    ConnectionStatus.objects.update(
        unchecked_since=Now() - timedelta(hours=4), next_check_at=Now(), throttled_until=None
    )
    checks.drain()
    assert "cannot be reached" in Connection.objects.get().endpoint_error and attention(None) == 1
    stripe.clear_faults()
    ConnectionStatus.objects.update(next_check_at=Now(), throttled_until=None)
    checks.drain()
    assert Connection.objects.get().endpoint_error == "" and attention(None) == 0
    assert ConnectionStatus.objects.filter(next_check_at__gt=soon, unchecked_since=None).exists()
