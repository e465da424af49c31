"""Connecting, the endpoint at Stripe, disconnecting and reconnecting (A046, A060, A069 to A093)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database

from connections import checks, polling, setup, webhooks
from connections.models import Connection, ConnectionStatus, InboundEvent, Resource, SyncLogEntry
from connections.sources.base import SourceError
from connections.sources.stripe import API_VERSION, events
from contacts.models import Contact, ContactTag
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS, work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]


def both(*names: str) -> list[str]:
    """The rights to read and write, of which writing implies reading."""
    return [f"rak_{name}_{level}" for name in names for level in ("read", "write")]


def endpoints(account: SandboxAccount) -> list[dict[str, Any]]:
    return account.objects("webhook_endpoint")


def test_one_endpoint_for_all_resources(account: SandboxAccount, live_hook: None, connect: Connect) -> None:
    """stripe.md 0.3: adding a resource is an update, never a create; the version is pinned."""
    connect("customer")
    first = endpoints(account)
    connect("charge")
    connect("invoice")
    assert [e["id"] for e in endpoints(account)] == [e["id"] for e in first]
    (endpoint,) = endpoints(account)
    assert endpoint["api_version"] == API_VERSION
    wanted = events.wanted({kind: events.defaults(kind) for kind in ("customer", "charge", "invoice")})
    assert sorted(endpoint["enabled_events"]) == wanted


def test_the_key_is_nowhere_but_sealed(account: SandboxAccount, live_hook: None, connect: Connect) -> None:
    """E009 row 85."""
    connect("customer")
    key = account.key
    with database.cursor() as cursor:
        cursor.execute("select row_to_json(c)::text from connections_connection c")
        stored = cursor.fetchone()[0]
    connection = Connection.objects.get()
    assert key not in stored and key[-12:] not in stored
    secret = connection.open("api_key")
    assert secret and secret.open() == key and key not in repr(secret)
    assert connection.key_hint.startswith("sk_live_") and connection.key_hint.endswith(key[-4:])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "Paste the secret key"),
        ("hello", "does not look like a Stripe key"),
        ("pk_live_abcdefghijklmnop", "publishable key"),
        ("sk_org_live_abcdefghijkl", "organisation key"),
        ("whsec_abcdefghijklmnop", "webhook signing secret"),
        ("sk_live_wrongwrongwrongwrong", "does not know this key"),
    ],
)
def test_wrong_keys_are_refused_in_words(stripe: Sandbox, db: None, key: str, words: str) -> None:
    """A046."""
    with pytest.raises(SourceError, match=words):
        setup.connect(key)
    assert not Connection.objects.exists()


def test_keys_that_cannot_work(stripe: Sandbox, account: SandboxAccount, db: None) -> None:
    """A046 D002: expired, lacking a right, publishable by Stripe's word, account not activated."""
    with pytest.raises(SourceError, match="expired"):
        setup.connect(account.expired_key())
    with pytest.raises(SourceError, match="rak_customer_read"):
        setup.connect(account.restricted_key(without=both("customer")))
    with pytest.raises(SourceError, match="rak_event_read"):
        setup.connect(account.restricted_key(without=["rak_event_read"]))
    sleeping = stripe.account("sleeping", charges_enabled=False)
    with pytest.raises(SourceError, match="not activated"):
        setup.connect(sleeping.key)
    assert not Connection.objects.exists()


def test_a_restricted_key_disables_what_it_cannot_read(account: SandboxAccount, db: None) -> None:
    connection = setup.connect(account.restricted_key(without=both("subscription", "invoice")))
    assert set(connection.missing_permissions) == {"rak_subscription_read", "rak_invoice_read"}


def test_a_restricted_key_that_may_not_read_its_account(account: SandboxAccount, db: None) -> None:
    """stripe.md 4.5: the refusal names the account."""
    key = account.restricted_key(without=["rak_connected_account_read", "rak_account_read"])
    assert setup.connect(key).account == account.id


def test_an_account_is_connected_once(account: SandboxAccount, live_hook: None, connect: Connect) -> None:
    connect("customer")
    with pytest.raises(SourceError, match="already connected"):
        setup.connect(account.new_key("secret", label="other"))


def test_two_accounts_and_two_modes_stand_apart(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """A069 C022: a second account and the test mode of the first; test events never touch live contacts."""
    connect("customer")
    for key in (account.test.key, stripe.account("second", local_webhooks=True).key):
        connection = setup.connect(key)
        setup.add_resource(connection, setup.default_choice("customer", "new_only", ROWS))
    account.create_customer(email="ada@mill.example", name="Live One")
    account.test.create_customer(email="ada@mill.example", name="Test One")
    stripe.account("second").create_customer(email="ada@mill.example", name="Second One")
    stripe.deliver()
    work()
    live, test = Contact.objects.get(is_test=False), Contact.objects.get(is_test=True)
    assert (test.last_name, live.email_key) == ("One", test.email_key)
    assert live.identities.count() == 2 and test.identities.count() == 1


def test_at_the_cap_the_endpoints_are_named_and_trying_again_works(stripe: Sandbox, live_hook: None, db: None) -> None:
    """A089 to A092."""
    full = stripe.account("full", local_webhooks=True, endpoint_cap=2)
    client = webhooks.Client(full.key)
    for number in range(2):
        client.post(
            "/v1/webhook_endpoints", url=f"https://shop{number}.example.com/hook", enabled_events=["charge.succeeded"]
        )
    connection = setup.connect(full.key)
    choice = setup.default_choice("customer", "new_only", ROWS)
    with pytest.raises(webhooks.EndpointCap) as refused:
        setup.add_resource(connection, choice)
    assert refused.value.count == 2 and "https://shop0.example.com/hook" in refused.value.addresses
    assert not Resource.objects.exists()
    client.delete(f"/v1/webhook_endpoints/{endpoints(full)[0]['id']}")
    assert setup.add_resource(connection, choice).kind == "customer"
    assert len(endpoints(full)) == 2


def test_a_lost_answer_makes_no_second_endpoint(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, db: None
) -> None:
    """Row 61."""
    connection = setup.connect(account.key)
    choice = setup.default_choice("customer", "new_only", ROWS)
    stripe.faults(path="/v1/webhook_endpoints", method="POST", lose_answer=True)
    with pytest.raises(SourceError):
        setup.add_resource(connection, choice)
    setup.add_resource(Connection.objects.get(), choice)
    assert len(endpoints(account)) == 1
    assert endpoints(account)[0]["id"] == Connection.objects.get().endpoint_id


@pytest.mark.parametrize("late", [False, True], ids=["nothing made", "made nevertheless"])
def test_a_fault_of_stripes_own_is_not_repeated_for_a_day(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, db: None, late: bool
) -> None:
    """Row 62: Stripe keeps a 500 as the answer of its idempotency key. The next try has one endpoint in the end."""
    connection = setup.connect(account.key)
    choice = setup.default_choice("customer", "new_only", ROWS)
    stripe.faults(path="/v1/webhook_endpoints", method="POST", status=500, late=late)
    with pytest.raises(SourceError):
        setup.add_resource(connection, choice)
    assert len(endpoints(account)) == late
    setup.add_resource(Connection.objects.get(), choice)
    assert [one["id"] for one in endpoints(account)] == [Connection.objects.get().endpoint_id]
    account.create_customer(email="ada@mill.example")
    assert [attempt["status"] for attempt in stripe.deliver()] == [200], "we hold the secret of the one that is left"


def test_a_key_without_the_right_to_write_endpoints(account: SandboxAccount, live_hook: None, db: None) -> None:
    """`rak_webhook_write` missing at Finish: the name of the right, and polling if the user chooses it."""
    connection = setup.connect(account.restricted_key(without=["rak_webhook_write"]))
    choice = setup.default_choice("customer", "new_only", ROWS)
    with pytest.raises(SourceError, match="rak_webhook_write"):
        setup.add_resource(connection, choice)
    assert not Resource.objects.exists()
    connection.delivery = Connection.Delivery.POLLING
    connection.save()
    setup.add_resource(connection, choice)
    account.create_customer(email="ada@mill.example")
    work()
    assert Contact.objects.exists() and Connection.objects.get().polls


def test_removing_a_resource_keeps_everything_else(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """A080 to A083."""
    resource = connect("customer")
    connect("charge")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    work()
    before = Contact.objects.count(), ContactTag.objects.count(), SyncLogEntry.objects.count()
    setup.remove_resource(resource)
    assert "customer.created" in endpoints(account)[0]["enabled_events"]  # charges still need fresh customers
    account.create_customer(email="new@mill.example")
    stripe.deliver()
    work()
    assert (Contact.objects.count(), ContactTag.objects.count(), SyncLogEntry.objects.count()) == before
    assert Connection.objects.get().state == "active"
    again = connect("customer")
    assert again.pk == resource.pk and again.removed_at is None


def test_disconnecting_and_reconnecting(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """A085 to A088."""
    connect("customer")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    stripe.deliver()
    work()
    token = Connection.objects.get().hook_token
    assert setup.disconnect(Connection.objects.get()) == ""
    gone = Connection.objects.get()
    assert (gone.state, gone.api_key_sealed, gone.webhook_secret_sealed) == ("disconnected", None, None)
    assert endpoints(account) == []
    account.update_customer(customer["id"], phone="missed")
    assert polling.drain() == 0
    contact = Contact.objects.get()
    assert contact.phone == "" and contact.tags.filter(name="stripe-integration").exists()

    connect("customer")
    account.update_customer(customer["id"], phone="back")
    stripe.deliver()
    work()
    back = Connection.objects.get()
    assert back.pk == gone.pk and back.epoch > gone.epoch and back.hook_token != token
    assert Contact.objects.get().phone == "back"


def test_a_key_of_another_account_is_no_replacement(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    connect("customer")
    connection = Connection.objects.get()
    for other in (stripe.account("second").key, account.test.key):
        with pytest.raises(SourceError, match="another account"):
            setup.replace_key(connection, other)
    before = connection.epoch
    assert setup.replace_key(connection, account.new_key("secret", label="rolled")).epoch == before + 1


@pytest.mark.parametrize("damage", ["deleted", "disabled", "address", "events"])
def test_a_damaged_endpoint_is_repaired_and_the_gap_is_polled(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect, damage: str
) -> None:
    """Rows 57 and 58."""
    connect("customer")
    client = webhooks.Client(account.key)
    path = f"/v1/webhook_endpoints/{endpoints(account)[0]['id']}"
    if damage == "deleted":
        client.delete(path)
    elif damage == "disabled":
        client.post(path, disabled=True)
    elif damage == "address":
        client.post(path, url="https://elsewhere.example.com/hook")
    else:
        client.post(path, enabled_events=["charge.succeeded"])
    account.create_customer(email="missed@mill.example")
    stripe.discard()
    ConnectionStatus.objects.update(next_check_at="2020-01-01T00:00:00Z", next_poll_at="2020-01-01T00:00:00Z")
    assert checks.drain() == 1
    work()
    (endpoint,) = endpoints(account)
    assert endpoint["status"] == "enabled" and "customer.created" in endpoint["enabled_events"]
    assert Contact.objects.filter(email="missed@mill.example").exists()
    assert SyncLogEntry.objects.get(contact_email="missed@mill.example").via == "poll"
    account.create_customer(email="after@mill.example")
    assert [attempt["status"] for attempt in stripe.deliver()] == [200]


def test_webhook_and_poll_bring_an_event_once(
    stripe: Sandbox, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    connect("customer")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    polling.poll(Connection.objects.get())
    work()
    assert InboundEvent.objects.count() == 1
    assert Connection.objects.get().status.missed_webhooks == 0
