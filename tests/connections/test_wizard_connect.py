"""Step 1: the key."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from connections.models import Connection, SetupDraft
from sandbox.stripe import Sandbox, SandboxAccount
from tests.conftest import signed_in
from users.models import AuditEntry, Role, User

pytestmark = pytest.mark.django_db

URL = "/apps/stripe/connect/"
HTMX = {"HX-Request": "true"}


def paste(client: Client, key: str, **extra: Any) -> Any:
    return client.post(URL, {"key": key, "consent": "on"}, headers=extra.pop("headers", None))


def test_nobody_signed_out_can_begin(client: Client) -> None:
    """A001."""
    assert client.get(URL).status_code == 302


def test_an_empty_key_is_an_error_at_the_field(marketer_client: Client) -> None:
    """A001."""
    response = paste(marketer_client, "")
    assert response.status_code == 422
    assert "Paste the secret key" in response.content.decode()
    assert not Connection.objects.exists()


def test_the_dialog_has_one_password_field_and_says_where_the_key_is(marketer_client: Client) -> None:
    """A044 A045."""
    page = marketer_client.get(URL, headers=HTMX).content.decode()
    assert page.strip().startswith("<dialog")
    assert re.findall(r'<input type="(password|text)"', page) == ["password"]
    assert 'autocomplete="off"' in page
    assert "https://dashboard.stripe.com/apikeys" in page
    assert "permissions[]=rak_customer_read" in page
    assert ">Connect</button>" in page


def test_the_page_works_as_a_whole_page(marketer_client: Client) -> None:
    """E001."""
    page = marketer_client.get(URL).content.decode()
    assert "<html" in page
    assert "<dialog" in page


def test_the_rights_asked_for_must_be_confirmed(marketer_client: Client, account: SandboxAccount) -> None:
    """D005."""
    response = marketer_client.post(URL, {"key": account.key})
    assert response.status_code == 422
    page = response.content.decode()
    assert "Tick this box" in page
    assert account.key not in page
    assert not Connection.objects.exists()


def test_a_good_key_leads_straight_to_the_resource(marketer_client: Client, account: SandboxAccount) -> None:
    """A047 D004."""
    response = paste(marketer_client, f"  {account.key}\n")
    draft = SetupDraft.objects.get()
    assert response.status_code == 302
    assert response["Location"] == reverse("connections:wizard-resource", args=[draft.pk])
    assert draft.connection.account == account.id
    entry = AuditEntry.objects.get(action="connected account")
    assert account.key not in str(entry.changes)


def test_with_htmx_the_whole_window_goes_there(marketer_client: Client, account: SandboxAccount) -> None:
    """A047."""
    response = paste(marketer_client, account.key, headers=HTMX)
    assert response["HX-Redirect"] == reverse("connections:wizard-resource", args=[SetupDraft.objects.get().pk])


def test_a_secret_live_key_is_taken_with_a_gentle_note(marketer_client: Client, account: SandboxAccount) -> None:
    response = paste(marketer_client, account.key)
    assert any("restricted key" in str(message) for message in get_messages(response.wsgi_request))


def test_a_restricted_key_needs_no_note(marketer_client: Client, account: SandboxAccount) -> None:
    response = paste(marketer_client, account.restricted_key())
    assert response.status_code == 302
    assert not list(get_messages(response.wsgi_request))


def test_the_key_is_sealed_and_never_shown(marketer_client: Client, account: SandboxAccount) -> None:
    """E009."""
    paste(marketer_client, account.key)
    with database.cursor() as cursor:
        cursor.execute("select connections_connection::text from connections_connection")
        assert account.key not in str(cursor.fetchall())
    page = marketer_client.get(f"/apps/stripe/setup/{SetupDraft.objects.get().pk}/resource/").content.decode()
    assert account.key not in page


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("sk_live_wrong", "Stripe does not know this key"),
        ("sk_org_live_1234567890", "organisation key"),
        ("whsec_1234567890", "webhook signing secret"),
        ("hello", "does not look like a Stripe key"),
        ("sk_live_größer", "only letters, digits and underscores"),
        ("sk_live_\x00", "Null characters"),
        ("sk_live_" + "a" * 600, "at most 500"),
    ],
)
def test_a_key_that_cannot_work_is_refused_with_its_reason(
    marketer_client: Client, stripe: Sandbox, key: str, reason: str
) -> None:
    """A046."""
    stripe.account("main")
    response = paste(marketer_client, key, headers=HTMX)
    page = response.content.decode()
    assert response.status_code == 422
    assert reason in page
    assert "aria-invalid" in page
    assert f'value="{key}"' not in page
    assert not Connection.objects.exists()


def test_publishable_expired_and_poor_keys_are_refused(marketer_client: Client, account: SandboxAccount) -> None:
    """A046: the missing right is named."""
    refused = {
        account.publishable_key(): "publishable key",
        account.expired_key(): "has expired",
        account.restricted_key(without=["rak_customer_read", "rak_customer_write"]): "rak_customer_read",
        account.restricted_key(without=["rak_event_read"]): "rak_event_read",
    }
    for key, reason in refused.items():
        response = paste(marketer_client, key)
        assert response.status_code == 422
        assert reason in response.content.decode()
        assert key not in response.content.decode()
    assert not Connection.objects.exists()


def test_an_account_that_is_not_activated_is_refused(marketer_client: Client, stripe: Sandbox) -> None:
    """D002."""
    sleeping = stripe.account("sleeping", charges_enabled=False)
    response = paste(marketer_client, sleeping.key)
    assert response.status_code == 422
    assert "not activated" in response.content.decode()
    assert 'href="https://dashboard.stripe.com/account/onboarding"' in response.content.decode()
    assert paste(marketer_client, sleeping.test.key).status_code == 302


def test_stripe_being_away_is_said_and_nothing_is_stored(
    marketer_client: Client, account: SandboxAccount, stripe: Sandbox
) -> None:
    key = account.key
    stripe.faults(status=500, path="/v1/account")
    response = paste(marketer_client, key)
    assert response.status_code == 422
    assert "cannot be reached" in response.content.decode()
    assert not Connection.objects.exists()


def test_an_account_that_is_connected_already_is_refused_with_a_link(
    marketer_client: Client, account: SandboxAccount, connect: Any
) -> None:
    connect("customer")
    response = paste(marketer_client, account.key)
    page = response.content.decode()
    assert response.status_code == 422
    assert "already connected" in page
    assert '<a href="/apps/stripe/">Open the account</a>' in page


def test_another_account_stands_beside_the_first(marketer_client: Client, stripe: Sandbox, connect: Any) -> None:
    """A069."""
    connect("customer")
    other = stripe.account("second", local_webhooks=True)
    assert paste(marketer_client, other.key).status_code == 302
    assert set(Connection.objects.values_list("account", flat=True)) == {other.id, stripe.account("main").id}


def test_a_disconnected_account_begins_at_step_two_again(
    marketer_client: Client, account: SandboxAccount, connect: Any
) -> None:
    """A088."""
    from connections import setup

    setup.disconnect(connect("customer").connection)
    assert "/resource/" in paste(marketer_client, account.key)["Location"]
    assert Connection.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_pasting_the_same_key_twice_at_once_makes_one_account(
    marketer_client: Client, account: SandboxAccount, make_user: Callable[..., User]
) -> None:
    """A double click without script, or two people."""
    key, clients = account.key, [marketer_client, signed_in(make_user(Role.MARKETER, email="second@example.com"))]

    def press(client: Client) -> int:
        try:
            return int(paste(client, key).status_code)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(press, clients)) == [302, 302]
    connection = Connection.objects.get()
    assert connection.open("api_key")
    assert SetupDraft.objects.count() == 1


def test_staff_may_not_connect(staff_client: Client) -> None:
    """E004 E005."""
    assert staff_client.get(URL).status_code == 403
    assert paste(staff_client, "sk_live_x").status_code == 403
