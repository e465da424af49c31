"""Settings > Destinations: admins hold credentials, marketers see and use them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from automations import failures, lifecycle
from automations.destinations import queueing, sending, setup, signing
from automations.destinations.models import Delivery, Destination
from automations.models import FailureRecipient
from sandbox import customerio
from sandbox.customerio import Customerio
from sandbox.webhook_receiver import Receiver
from tests.automations.conftest import Make, on, step
from tests.automations.destinations import EMAIL, connected, webhook
from tests.automations.destinations import receiver as receiver
from users.models import AuditEntry, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def service(settings: Settings) -> Iterator[Customerio]:
    with customerio.serve() as running:
        settings.CUSTOMERIO_API_BASE = running.base_url + "/{region}"
        yield running


def test_a_webhook_is_added_and_its_secret_shown_once(admin_client: Client, receiver: Receiver) -> None:
    answer = admin_client.post("/settings/destinations/webhook/", {"name": "Shop", "url": receiver.url})
    destination = Destination.objects.get()
    assert answer["Location"] == destination.get_absolute_url()
    secret = destination.open("secret")
    assert secret
    assert all(secret.open() not in str(one.get_decoded()) for one in Session.objects.all())
    first = admin_client.get(destination.get_absolute_url())
    assert secret.open() in first.content.decode() and "no-store" in first["Cache-Control"]
    assert secret.open() not in admin_client.get(destination.get_absolute_url()).content.decode()
    entry = AuditEntry.objects.get(action="added destination")
    assert secret.open() not in str(entry.changes)


def test_a_bad_address_is_explained_beside_the_field(admin_client: Client) -> None:
    answer = admin_client.post("/settings/destinations/webhook/", {"name": "Shop", "url": "https://127.0.0.1/x"})
    assert answer.status_code == 422 and "not its IP address" in answer.content.decode()
    assert not Destination.objects.exists()


def test_a_name_that_is_taken_is_told(admin_client: Client, receiver: Receiver) -> None:
    for _ in range(2):
        answer = admin_client.post("/settings/destinations/webhook/", {"name": "Shop", "url": receiver.url})
    assert answer.status_code == 422 and "There is a destination of this name already." in answer.content.decode()
    assert Destination.objects.count() == 1


def test_customer_io_is_tested_on_save(admin_client: Client, service: Customerio) -> None:
    """C015."""
    account = service.account("us")
    given = {"name": "CIO", "region": "us", "site_id": account.site_id, "api_key": "wrong", "identify_by": "email"}
    refused = admin_client.post("/settings/destinations/customerio/", given)
    assert refused.status_code == 422 and "refuses these credentials" in refused.content.decode()
    assert 'value="wrong"' not in refused.content.decode()
    other = admin_client.post(
        "/settings/destinations/customerio/", given | {"region": "eu", "api_key": account.api_key}
    )
    assert "region United States" in other.content.decode()
    admin_client.post("/settings/destinations/customerio/", given | {"api_key": account.api_key})
    destination = Destination.objects.get()
    key = destination.open("api_key")
    assert key and key.open() == account.api_key
    page = admin_client.get(destination.get_absolute_url()).content.decode()
    assert account.api_key not in page and destination.key_hint in page


def test_credentials_are_replaced_and_what_was_held_is_sent(admin_client: Client, service: Customerio) -> None:
    account = service.account("us")
    destination = connected(account)
    Destination.objects.update(state="held", error="Customer.io refuses the credentials.")
    assert "refuses the credentials" in admin_client.get(destination.get_absolute_url()).content.decode()
    url = f"/settings/destinations/{destination.pk}/credentials/"
    given = {"region": "us", "site_id": account.site_id, "api_key": account.api_key}
    assert admin_client.post(url, given).status_code == 302
    destination.refresh_from_db()
    assert destination.is_active and AuditEntry.objects.filter(action="replaced credentials").exists()


def test_a_held_webhook_says_what_is_wrong_with_it(marketer_client: Client, receiver: Receiver) -> None:
    """Nobody refused anything: its secret does not open here any more."""
    destination, _ = webhook(receiver.url)
    other, _ = webhook(f"{receiver.url}/other", name="Other")
    Destination.objects.filter(pk=destination.pk).update(secret_sealed=other.secret_sealed)
    queueing.trial(destination)
    sending.drain()
    for url in (destination.get_absolute_url(), "/settings/destinations/"):
        page = marketer_client.get(url).content.decode()
        assert "Signing secret unreadable" in page and "Credentials refused" not in page


def test_a_test_is_sent_and_its_answer_shown_escaped_to_admins_only(
    admin_client: Client, marketer_client: Client, receiver: Receiver
) -> None:
    destination, _ = webhook(receiver.url)
    where = marketer_client.post(f"/settings/destinations/{destination.pk}/test/")["Location"]
    assert "about to be sent" in marketer_client.get(where).content.decode()
    receiver.fault(status=500, body="<script>alert(1)</script>")
    sending.drain()
    shown = admin_client.get(where).content.decode()
    assert "&lt;script&gt;" in shown and "<script>alert" not in shown
    assert "alert(1)" not in marketer_client.get(where).content.decode()
    assert "500" in marketer_client.get(where).content.decode()


def test_the_log_is_filtered_and_a_failed_delivery_resent(marketer_client: Client, receiver: Receiver) -> None:
    """C020."""
    destination, _ = webhook(receiver.url)
    receiver.fault(status=410)
    delivery = queueing.trial(destination)
    sending.drain()
    page = destination.get_absolute_url()
    assert delivery.get_absolute_url() in marketer_client.get(f"{page}?state=dead").content.decode()
    assert delivery.get_absolute_url() not in marketer_client.get(f"{page}?state=done").content.decode()
    assert delivery.get_absolute_url() not in marketer_client.get(f"{page}?q=nothing").content.decode()
    setup.enable(destination)
    marketer_client.post(f"/settings/destinations/deliveries/{delivery.pk}/resend/")
    sending.drain()
    assert marketer_client.get(f"{page}?state=done&q=millrace").content.decode().count("Delivered") >= 2
    assert receiver.messages()[0].id == delivery.message_id


def test_a_failed_delivery_is_dismissed(marketer_client: Client, receiver: Receiver) -> None:
    """C020: it is no failure any more, and can still be sent."""
    destination, _ = webhook(receiver.url)
    receiver.fault(status=410)
    delivery = queueing.trial(destination)
    sending.drain()
    receiver.mend()
    setup.enable(destination)
    page = destination.get_absolute_url()
    url = f"/settings/destinations/deliveries/{delivery.pk}/dismiss/"
    assert url in marketer_client.get(delivery.get_absolute_url()).content.decode()
    marketer_client.post(url)
    assert url not in marketer_client.get(delivery.get_absolute_url()).content.decode()
    assert delivery.get_absolute_url() in marketer_client.get(f"{page}?state=ignored").content.decode()
    assert delivery.get_absolute_url() not in marketer_client.get(f"{page}?state=dead").content.decode()
    marketer_client.post(f"/settings/destinations/deliveries/{delivery.pk}/resend/")
    sending.drain()
    delivery.refresh_from_db()
    assert delivery.state == "done"


def test_a_secret_is_rotated_disabled_and_enabled(admin_client: Client, receiver: Receiver) -> None:
    destination, old = webhook(receiver.url)
    base = f"/settings/destinations/{destination.pk}"
    assert "24 hours" in admin_client.get(f"{base}/secret/").content.decode()
    admin_client.post(f"{base}/secret/")
    destination.refresh_from_db()
    fresh = destination.open("secret")
    assert fresh and fresh.open() != old and destination.previous_secret_until
    assert fresh.open() in admin_client.get(destination.get_absolute_url()).content.decode()
    admin_client.post(f"{base}/disable/")
    assert Destination.objects.get().state == "disabled"
    admin_client.post(f"{base}/enable/")
    assert Destination.objects.get().is_active
    told = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"rotated secret", "disabled destination", "enabled destination"} <= told


def test_only_an_unused_destination_can_be_deleted(admin_client: Client, receiver: Receiver, automation: Make) -> None:
    destination, _ = webhook(receiver.url)
    given = {"destination": destination.pk, "name": "x", "mapping": [EMAIL]}
    made = automation(on("tag_added", tag="start"), [step("webhook", 1, **given)], name="User of it")
    url = f"/settings/destinations/{destination.pk}/delete/"
    assert "User of it" in admin_client.post(url, follow=True).content.decode()
    assert Destination.objects.exists()
    lifecycle.archive(made.pk)
    lifecycle.save_draft(made.pk, made.revision, steps=[step("end", 1)])
    Destination.objects.filter(pk=destination.pk).update(name="Old")
    type(made).objects.update(current=None)
    admin_client.post(url)
    assert not Destination.objects.exists() and AuditEntry.objects.filter(action="deleted destination").exists()


def test_a_destination_is_edited(admin_client: Client, receiver: Receiver) -> None:
    destination, _ = webhook(receiver.url)
    url = f"/settings/destinations/{destination.pk}/edit/"
    assert receiver.url in admin_client.get(url).content.decode()
    admin_client.post(url, {"name": "New", "url": "https://hooks.example.com/x", "takes_tests": "on"})
    destination.refresh_from_db()
    assert (destination.name, destination.takes_tests, destination.host.name) == ("New", True, "hooks.example.com:443")


def test_editing_leaves_a_secret_that_is_rotated_meanwhile(receiver: Receiver) -> None:
    open_in_form, _ = webhook(receiver.url)
    signing.give_secret(Destination.objects.get(pk=open_in_form.pk))
    setup.disable(open_in_form)
    given = Destination.objects.get(pk=open_in_form.pk)
    open_in_form.name = "Other name"
    setup.change(open_in_form)
    now = Destination.objects.get(pk=open_in_form.pk)
    assert (now.name, now.secret_sealed, now.state) == ("Other name", given.secret_sealed, "disabled")


def test_who_is_mailed_on_failure_is_chosen(marketer_client: Client, marketer: User, staff: User) -> None:
    """C021."""
    url = "/settings/destinations/failure-mails/"
    marketer_client.post(url, {"users": [staff.pk]})
    assert FailureRecipient.objects.get().user == staff
    assert "checked" in marketer_client.get(url).content.decode()
    marketer_client.post(url, {})
    assert not FailureRecipient.objects.exists()


def test_who_is_mailed_for_one_automation(marketer_client: Client, staff: User, automation: Make) -> None:
    """C021."""
    made = automation(on("tag_added", tag="start"), [step("add_tag", 1, tag="x")])
    marketer_client.post(f"/settings/destinations/failure-mails/{made.pk}/", {"users": [staff.pk]})
    assert failures.recipients(made) == [staff]


def test_lists_show_destinations_to_marketers_without_the_buttons_of_admins(
    admin_client: Client, marketer_client: Client, receiver: Receiver
) -> None:
    assert "An admin adds webhooks" in marketer_client.get("/settings/destinations/").content.decode()
    webhook(receiver.url)
    assert "Add webhook" in admin_client.get("/settings/destinations/").content.decode()
    shown = marketer_client.get("/settings/destinations/").content.decode()
    assert "Shop system" in shown and "Add webhook" not in shown


def test_step_s_words_name_the_destination(receiver: Receiver) -> None:
    from automations.destinations.actions import WEBHOOK

    destination, _ = webhook(receiver.url)
    words = WEBHOOK.summary({"destination": destination.pk, "name": "order.paid", "mapping": [EMAIL]})
    assert "Shop system" in words and "order.paid" in words and "email" in words
    assert not Delivery.objects.exists()


def test_new_credentials_write_nothing_else(service: Customerio) -> None:
    """Somebody renamed and disabled it since the form was opened."""
    account = service.account()
    stale = connected(account)
    Destination.objects.filter(pk=stale.pk).update(name="Renamed", state="disabled", takes_tests=True)
    setup.replace_credentials(stale, account.api_key)
    fresh = Destination.objects.get(pk=stale.pk)
    assert (fresh.name, fresh.state, fresh.takes_tests) == ("Renamed", "disabled", True)
