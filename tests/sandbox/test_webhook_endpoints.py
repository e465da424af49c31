"""Webhook endpoints as Stripe keeps them, and the deliveries they get."""

import json
import urllib.request
from collections.abc import Callable

import pytest
import stripe as official
from stripe import StripeClient

from sandbox.stripe import Sandbox, SandboxAccount
from tests.sandbox.conftest import Receiver

HOOK = {"url": "https://hooks.example/stripe", "enabled_events": ["customer.created"]}
ClientFor = Callable[[str], StripeClient]


@pytest.fixture
def endpoint(client: StripeClient, receiver: Receiver) -> official.WebhookEndpoint:
    wanted = {"url": receiver.url, "enabled_events": ["*"], "api_version": "2026-10-28.endive"}
    return client.v1.webhook_endpoints.create(wanted)  # type: ignore[arg-type]


def test_the_secret_is_told_once(client: StripeClient) -> None:
    made = client.v1.webhook_endpoints.create(HOOK)
    assert made.secret.startswith("whsec_")
    changed = client.v1.webhook_endpoints.update(made.id, {"enabled_events": ["invoice.paid"]})
    assert changed.enabled_events == ["invoice.paid"]
    for found in (changed, client.v1.webhook_endpoints.retrieve(made.id), client.v1.webhook_endpoints.list().data[0]):
        assert "secret" not in found


def test_the_seventeenth_is_refused_until_one_is_deleted(
    client: StripeClient, account: SandboxAccount, client_for: ClientFor
) -> None:
    """A089, A092."""
    made = [client.v1.webhook_endpoints.create(HOOK) for _ in range(16)]
    with pytest.raises(official.InvalidRequestError, match=r"the maximum of 16 webhook endpoints\."):
        client.v1.webhook_endpoints.create(HOOK)
    client_for(account.test.key).v1.webhook_endpoints.create(HOOK)
    client.v1.webhook_endpoints.delete(made[0].id)
    client.v1.webhook_endpoints.create(HOOK)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:8000/hook", "URL must be publicly accessible"),
        ("https://192.168.1.9/hook", "URL must be publicly accessible"),
        ("shop.example/hook", "An explicit scheme"),
        ("ftp://shop.example/hook", "Not a valid URL"),
    ],
)
def test_an_address_stripe_cannot_reach_is_refused(
    stripe: Sandbox, client_for: ClientFor, url: str, words: str
) -> None:
    client = client_for(stripe.account("shy", local_webhooks=False).key)
    with pytest.raises(official.InvalidRequestError, match=words):
        client.v1.webhook_endpoints.create({**HOOK, "url": url})


def test_the_retired_order_events_are_unknown(client: StripeClient) -> None:
    with pytest.raises(official.InvalidRequestError, match=r"order\.created"):
        client.v1.webhook_endpoints.create({**HOOK, "enabled_events": ["order.created"]})


def test_an_idempotency_key_makes_one_endpoint(client: StripeClient) -> None:
    first, second = (client.v1.webhook_endpoints.create(HOOK, {"idempotency_key": "one"}) for _ in range(2))
    assert (first.id, first.secret) == (second.id, second.secret)
    with pytest.raises(official.IdempotencyError):
        client.v1.webhook_endpoints.create({**HOOK, "url": "https://other.example"}, {"idempotency_key": "one"})


def test_a_delivery_is_signed_with_the_endpoints_secret(
    account: SandboxAccount, endpoint: official.WebhookEndpoint, receiver: Receiver
) -> None:
    customer = account.create_customer(email="a@shop.example")
    headers, body = receiver.wait_for(1)[0]
    event = official.Webhook.construct_event(body, headers["Stripe-Signature"], endpoint.secret)
    assert (event.type, event.data.object.id) == ("customer.created", customer["id"])
    with pytest.raises(official.SignatureVerificationError):
        official.Webhook.construct_event(body, headers["Stripe-Signature"], "whsec_other")


def test_a_refused_delivery_comes_again_and_the_event_waits_for_it(
    stripe: Sandbox, account: SandboxAccount, endpoint: official.WebhookEndpoint, receiver: Receiver
) -> None:
    stripe.hold()
    receiver.statuses = [500]
    account.create_customer()
    assert [attempt["status"] for attempt in stripe.deliver()] == [500]
    assert account.events()[0]["pending_webhooks"] == 1
    assert [attempt["status"] for attempt in stripe.deliver()] == [200]
    assert account.events()[0]["pending_webhooks"] == 0
    assert receiver.got[0][1].split(b'"pending_webhooks"')[0] == receiver.got[1][1].split(b'"pending_webhooks"')[0]


def test_deliveries_are_retried_by_themselves(
    stripe: Sandbox, account: SandboxAccount, endpoint: official.WebhookEndpoint, receiver: Receiver
) -> None:
    stripe.deliveries(retry_after=0.05)
    receiver.statuses = [500, 302]
    account.create_customer()
    assert len({json.loads(body)["id"] for _, body in receiver.wait_for(3)}) == 1


def test_deliveries_are_lost_doubled_reordered_and_resent(
    stripe: Sandbox, account: SandboxAccount, endpoint: official.WebhookEndpoint, receiver: Receiver
) -> None:
    stripe.deliveries(automatic=False, lose=1)
    lost, doubled = account.create_customer(), account.create_customer()
    assert stripe.deliver()[0]["answer"] == "lost"
    assert [json.loads(body)["data"]["object"]["id"] for _, body in receiver.got] == [doubled["id"]]
    stripe.deliveries(double=1, reorder=True)
    for event in account.events("customer.created"):
        account.resend(event["id"])
    stripe.deliver()
    ids = [json.loads(body)["data"]["object"]["id"] for _, body in receiver.got[1:]]
    assert ids == [doubled["id"], doubled["id"], lost["id"]]


def test_a_missed_webhook_can_still_be_listed(
    stripe: Sandbox,
    account: SandboxAccount,
    client: StripeClient,
    endpoint: official.WebhookEndpoint,
    receiver: Receiver,
) -> None:
    stripe.hold()
    account.create_customer()
    assert stripe.discard() == 1
    assert stripe.deliver() == []
    assert client.v1.events.list().data[0].type == "customer.created"


def test_an_endpoint_without_version_gets_the_accounts_old_shapes(
    stripe: Sandbox, client_for: ClientFor, receiver: Receiver
) -> None:
    account = stripe.account("old", api_version="2020-08-27")
    client = client_for(account.key)
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.subscription.updated"]})
    renewed = account.renew(account.subscribe()["id"])
    event = json.loads(receiver.wait_for(1)[0][1])
    period = renewed["items"]["data"][0]["current_period_end"]
    assert (event["api_version"], event["data"]["object"]["current_period_end"]) == ("2020-08-27", period)
    assert event["data"]["previous_attributes"]["current_period_end"] < period
    listed = client.v1.events.list({"type": "customer.subscription.updated"}).data[0]
    assert listed.data.object.current_period_end == period


def test_a_request_without_version_gets_the_accounts_old_shapes(stripe: Sandbox) -> None:
    account = stripe.account("old", api_version="2020-08-27")
    made = account.buy(mode="subscription", shipping=True)
    account.refund(account.objects("charge")[0]["id"])
    for path in ("charges", "checkout/sessions", "events", "invoices", "payment_intents", "subscriptions"):
        url, headers = f"{stripe.base_url}/v1/{path}", {"Authorization": f"Bearer {account.key}"}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own sandbox
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found = json.load(answer)["data"][0]
        if path == "invoices":
            assert (found["subscription"], found["paid"]) == (made["subscription"], True)
        if path == "charges":
            assert found["refunds"]["data"][0]["amount"] == found["amount"]


def test_history_is_not_delivered(account: SandboxAccount, stripe: Sandbox, endpoint: official.WebhookEndpoint) -> None:
    stripe.hold()
    account.create_customer(at=1_700_000_000)
    assert stripe.deliver() == []


def test_anything_can_be_sent(account: SandboxAccount, endpoint: official.WebhookEndpoint, receiver: Receiver) -> None:
    assert account.send_raw("{not json") == [200]
    headers, body = receiver.wait_for(1)[0]
    assert official.WebhookSignature.verify_header(body.decode(), headers["Stripe-Signature"], endpoint.secret, 300)
    account.emit("order.created", {"id": "or_1", "object": "order", "email": "a\0b@shop.example"})
    assert json.loads(receiver.wait_for(2)[1][1])["data"]["object"]["email"] == "a\0b@shop.example"
    customer = account.create_customer(name="Ann")
    account.alter(customer["id"], event="customer.updated", name="\ud800" * 300)
    changed = next(json.loads(body) for _, body in receiver.wait_for(4) if b"customer.updated" in body)
    assert changed["data"]["previous_attributes"] == {"name": "Ann"}


def test_reserved_addresses_are_never_contacted(stripe: Sandbox, account: SandboxAccount, client: StripeClient) -> None:
    stripe.hold()
    client.v1.webhook_endpoints.create(HOOK)
    account.create_customer()
    assert "reserved" in stripe.deliver()[0]["answer"]
