"""The pages around a connected account: apps, the Stripe app, its accounts and resources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.due import State
from connections import setup
from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry, SyncRun
from contacts.models import Contact, ContactTag
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS
from users.models import AuditEntry

pytestmark = [pytest.mark.usefixtures("one_day"), pytest.mark.django_db(transaction=True)]

Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
APPS, CONNECTED, APP = "/apps/", "/apps/connected/", "/apps/stripe/"


def text(client: Client, path: str, status: int = 200, **headers: str) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == status
    return response.content.decode()


def synced_counts() -> tuple[int, ...]:
    kept = (Contact, ContactTag, SyncLogEntry, RemoteObject)
    return tuple(model._default_manager.count() for model in kept)


# --- All apps and connected apps ---


def test_typing_leaves_the_apps_that_match(marketer_client: Client) -> None:
    """A041 A042: the same address answers htmx with the cards alone and Enter with the page."""
    fragment = text(marketer_client, APPS + "?q=stri", **{"HX-Request": "true"})
    assert "<html" not in fragment and f'href="{APP}"' in fragment
    page = text(marketer_client, APPS + "?q=stri")
    assert "<html" in page and f'href="{APP}"' in page and 'value="stri"' in page
    assert f'href="{APP}">Stripe' not in text(marketer_client, APPS + "?q=shopify")


def test_apps_is_in_the_sidebar_and_in_the_user_menu_of_who_may_open_it(
    marketer_client: Client, staff_client: Client
) -> None:
    """A040 E005: staff see no entry and are refused the page."""
    assert text(marketer_client, "/settings/profile/").count(f'href="{APPS}"') == 2
    assert f'href="{APPS}"' not in text(staff_client, "/settings/profile/")
    assert staff_client.get(APP).status_code == 403


def test_stripe_is_a_connected_app_while_an_account_is_connected(
    marketer_client: Client, admin_client: Client, connect: Connect
) -> None:
    """A073 A085."""
    assert f'href="{APP}"' not in text(marketer_client, CONNECTED)
    resource = connect()
    assert f'href="{APP}"' in text(marketer_client, CONNECTED)
    admin_client.post(reverse("connections:disconnect", args=[resource.connection_id]))
    assert f'href="{APP}"' not in text(marketer_client, CONNECTED)


# --- The app page ---


def test_before_anything_is_connected_the_page_says_what_it_does(marketer_client: Client) -> None:
    """A043 A005 A003 A004."""
    page = text(marketer_client, APP)
    assert "Connect account" in page and reverse("connections:connect") in page
    assert "does not support one-click checkout" in page
    assert "never put on a list" in page
    assert "Fields are never created" in page


def test_the_card_shows_the_account_and_its_resources(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A064 A065 A066 A067 A070 A074 A075: email, masked key, name and status of each resource, ways on from there."""
    resource = connect("customer")
    account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()

    page = text(marketer_client, APP)

    connection = resource.connection
    assert connection.email and connection.email in page
    assert connection.account in page and connection.key_hint in page
    assert account.key not in page
    assert ">Customer</a>" in page and "Active" in page and "to contacts · 3 fields" in page
    assert reverse("connections:edit-mapping", args=[resource.pk]) in page
    assert reverse("connections:add-resource", args=[connection.pk]) in page
    assert "View sync logs" in page and "Ada Miller" in page and "customer.<wbr>created" in page
    assert "1 record" in page


def test_only_admins_see_what_only_admins_may_do(
    marketer_client: Client, admin_client: Client, connect: Connect
) -> None:
    """E004 E006 A071 A072: the trash icon, Disconnect and Replace key are not rendered for others, and refused."""
    resource = connect()
    addresses = [
        reverse("connections:resource-remove", args=[resource.pk]),
        reverse("connections:disconnect", args=[resource.connection_id]),
        reverse("connections:replace-key", args=[resource.connection_id]),
    ]
    for page in (
        text(marketer_client, APP),
        text(marketer_client, reverse("connections:resource", args=[resource.pk])),
    ):
        assert not [address for address in addresses if address in page]
    admins = text(admin_client, APP)
    assert all(address in admins for address in addresses)
    assert [marketer_client.post(address).status_code for address in addresses] == [403, 403, 403]
    assert Connection.objects.connected().count() == Resource.objects.active().count() == 1


def test_a_second_account_stands_beside_the_first(marketer_client: Client, stripe: Sandbox, connect: Connect) -> None:
    """A069: both cards, each with its own way to add a resource; test mode says so."""
    first = connect("customer").connection
    other = setup.connect(stripe.account("second", local_webhooks=True).test.key)
    setup.add_resource(other, setup.default_choice("charge", "new_only", ROWS))
    page = text(marketer_client, APP)
    assert "Connect another account" in page
    for connection in (first, other):
        assert connection.account in page
        assert reverse("connections:add-resource", args=[connection.pk]) in page
    assert ">Test</span>" in page and ">Live</span>" in page


def test_with_all_five_resources_nothing_more_can_be_added(marketer_client: Client, connect: Connect) -> None:
    """A070, the other way round."""
    for kind in Resource.Kind.values:
        resource = connect(kind)
    page = text(marketer_client, APP)
    assert reverse("connections:add-resource", args=[resource.connection_id]) not in page
    assert [page.index(f">{label}</a>") for label in Resource.Kind.labels] == sorted(
        page.index(f">{label}</a>") for label in Resource.Kind.labels
    )


def test_a_refused_key_is_told_and_replaced(
    marketer_client: Client, admin_client: Client, account: SandboxAccount, stripe: Sandbox, connect: Connect
) -> None:
    """A065: the banner names the cause; a wrong key is explained beside the field, a right one ends it."""
    connection = connect().connection
    Connection.objects.filter(pk=connection.pk).update(
        state=Connection.State.AUTH_FAILED, error="Stripe does not know this key."
    )
    page = text(marketer_client, APP)
    assert "Stripe refuses the key" in page and "Stripe does not know this key." in page and "Needs attention" in page
    address = reverse("connections:replace-key", args=[connection.pk])
    refused = admin_client.post(address, {"key": account.publishable_key()}, headers={"HX-Request": "true"})
    assert refused.status_code == 422 and "publishable key" in refused.content.decode()
    other = admin_client.post(address, {"key": stripe.account("second").key})
    assert other.status_code == 422 and "belongs to another account" in other.content.decode()

    new_key = account.restricted_key()
    assert admin_client.post(address, {"key": new_key}).status_code == 302

    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE and connection.key_hint.endswith(new_key[-4:])
    assert "Stripe refuses the key" not in text(marketer_client, APP)
    entry = AuditEntry.objects.get(action="replaced key")
    assert new_key not in str(entry.changes) and entry.changes["key"]["new"] == connection.key_hint


def test_a_faulty_endpoint_is_told_and_repaired(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """A065: «Needs attention» with the cause, and Repair."""
    connection = connect().connection
    Connection.objects.filter(pk=connection.pk).update(endpoint_error="Stripe cannot be reached.")
    page = text(marketer_client, APP)
    assert "is not in order" in page and "Stripe cannot be reached." in page
    assert "The webhook endpoint has a fault" in page

    response = marketer_client.post(reverse("connections:repair", args=[connection.pk]), follow=True)

    assert "in step with Stripe" in response.content.decode()
    connection.refresh_from_db()
    assert connection.endpoint_error == ""
    assert AuditEntry.objects.filter(action="repaired webhook").exists()


def test_events_set_aside_lead_to_their_rows(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect
) -> None:
    """A068, issue 1 point 9: the banner counts them, the sidebar warns."""
    connection = connect().connection
    account.send_raw("this is no event")
    page = text(marketer_client, APP)
    assert "1 event of" in page and f"?result=dead&amp;account={connection.pk}" in page
    assert "1 record" not in page and "count--attention" in page


def test_polling_is_told_in_plain_words(marketer_client: Client, stripe: Sandbox, connect: Connect) -> None:
    """stripe.md 0.9."""
    connect(key=stripe.account("shy", local_webhooks=False).key)
    page = text(marketer_client, APP)
    assert "Stripe cannot reach this address from outside" in page and "Polling every" in page
    assert "is not in order" not in page


def test_an_unfinished_setup_can_be_continued_or_discarded(marketer_client: Client, account: SandboxAccount) -> None:
    """issue 1 point 4: the draft survives leaving."""
    connection = setup.connect(account.key)
    assert reverse("connections:add-resource", args=[connection.pk]) in text(marketer_client, APP)
    draft = setup.draft_for(connection)
    page = text(marketer_client, APP)
    assert reverse("connections:wizard-resource", args=[draft.pk]) in page
    assert reverse("connections:wizard-discard", args=[draft.pk]) in page
    assert "No Stripe account is connected" in page


def test_the_webhooks_tab_lists_what_stripe_has(
    marketer_client: Client, account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect
) -> None:
    """A091: address, events, Stripe's own list with its number; a fault is a sentence."""
    connection = connect().connection
    page = text(marketer_client, "/apps/stripe/webhooks/")
    assert connection.hook_url in page and "customer.created" in page
    address = reverse("connections:endpoints", args=[connection.pk])
    fragment = text(marketer_client, address, **{"HX-Request": "true"})
    assert "1 of 16" in fragment and connection.hook_url in fragment and "Ours" in fragment
    assert "1 of 16" in text(marketer_client, address)

    stripe.faults(status=500, path="/v1/webhook_endpoints", count=1)
    assert "could not be read from Stripe" in text(marketer_client, address, **{"HX-Request": "true"})


def test_polling_now_asks_at_the_next_ring(marketer_client: Client, connect: Connect) -> None:
    connection = connect().connection
    status = connection.status
    status.next_poll_at = timezone.now() + timedelta(hours=1)
    status.save()
    marketer_client.post(reverse("connections:poll-now", args=[connection.pk]))
    status.refresh_from_db()
    assert status.next_poll_at <= timezone.now()


@pytest.mark.parametrize("path", [APPS, CONNECTED, APP, "/apps/stripe/log/", "/apps/stripe/webhooks/"])
def test_pages_ask_at_most_twelve_questions_however_much_there_is(
    marketer_client: Client,
    stripe: Sandbox,
    account: SandboxAccount,
    live_hook: None,
    connect: Connect,
    deliver: Deliver,
    django_assert_max_num_queries: Any,
    path: str,
) -> None:
    """ui.md 8: ≤ 12 queries, constant in rows."""
    for kind in ("customer", "charge", "invoice"):
        connect(kind, sync="history_and_new")
    second = setup.connect(stripe.account("second", local_webhooks=True).key)
    setup.add_resource(second, setup.default_choice("customer", "history_and_new", ROWS))
    for number in range(12):
        customer = account.create_customer(email=f"c{number}@mill.example", name=f"C {number}")
        account.update_customer(customer["id"], phone=f"+49 30 {number}")
    deliver()
    # Names of changed fields are one query more, so a changed contact must be among the newest rows.
    account.update_customer(customer["id"], phone="+49 30 99")
    deliver()
    assert SyncLogEntry.objects.latest("pk").changes
    with django_assert_max_num_queries(12):
        assert marketer_client.get(path).status_code == 200


# --- Disconnecting ---


def test_a_removed_resource_stops_and_everything_stays(
    admin_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A079 A080 A081 A082 A083: asked first, nothing deleted, later events ignored, the account stays; and back."""
    resource = connect("customer")
    charge = connect("charge")
    account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()
    before = synced_counts()
    address = reverse("connections:resource-remove", args=[resource.pk])
    dialog = text(admin_client, address, **{"HX-Request": "true"})
    assert "<dialog" in dialog and "Remove" in dialog and "What stays" in dialog and "<html" not in dialog
    assert "<html" in text(admin_client, address)
    assert Resource.objects.active().count() == 2

    assert admin_client.post(address).status_code == 302

    assert synced_counts() == before
    page = text(admin_client, APP)
    assert ">Customer</a>" not in page and ">Charge</a>" in page
    assert Connection.objects.get().state == Connection.State.ACTIVE
    assert AuditEntry.objects.filter(action="disconnected resource").exists()
    account.create_customer(email="new@mill.example")
    deliver()
    assert not Contact.objects.filter(email="new@mill.example").exists()

    again = connect("customer")
    assert again.pk == resource.pk and again.removed_at is None
    account.create_customer(email="back@mill.example")
    deliver()
    assert Contact.objects.filter(email="back@mill.example").exists()
    assert charge.connection_id == again.connection_id


def test_a_disconnected_account_sends_nothing_more_and_everything_stays(
    admin_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A084 A085 A086 A087 A088: the dialog says what is kept; the endpoint is deleted; reconnecting doubles nobody."""
    connection = connect("customer").connection
    account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()
    before = synced_counts()
    address = reverse("connections:disconnect", args=[connection.pk])
    dialog = text(admin_client, address, **{"HX-Request": "true"})
    assert "Disconnect account" in dialog and "What stops" in dialog and "What stays" in dialog
    assert connection.name in dialog

    response = admin_client.post(address, follow=True)

    page = response.content.decode()
    assert "is disconnected" in page and "Connect account" in page and connection.email not in page
    assert synced_counts() == before
    assert account.objects("webhook_endpoint") == []
    assert Client().post(connection.hook_path, b"{}", content_type="application/json").status_code == 410
    assert AuditEntry.objects.filter(action="disconnected account").exists()

    connect("customer")
    customer = account.objects("customer")[0]
    account.update_customer(customer["id"], phone="+49 30 901820")
    deliver()
    assert Contact.objects.get().phone == "+49 30 901820"


# --- A resource's page ---


def test_the_resource_page_shows_which_records_each_event_makes(marketer_client: Client, connect: Connect) -> None:
    """A028 A030: every supported event of the resource, and no other."""
    resource = connect("charge")
    page = text(marketer_client, reverse("connections:resource", args=[resource.pk]))
    for head in ("Contact", "Ecommerce customer", "Order", "Recurring payment"):
        assert f'<th scope="col">{head}</th>' in page
    assert 'value="charge.dispute.created"' in page and 'value="customer.created"' not in page
    assert page.count('name="events"') == 10
    assert page.count(" checked") == len(resource.events) + 1
    assert "Email" in page and "Mapping 1" in page


def test_events_and_data_are_switched_at_stripe_and_here(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver
) -> None:
    """A029: marketers switch; the endpoint follows; a switched-off event makes nothing."""
    resource = connect("customer")
    address = reverse("connections:resource", args=[resource.pk])
    response = marketer_client.post(address, {"events": ["customer.updated"], "data_choice": "customer_only"})
    assert response.status_code == 302
    resource.refresh_from_db()
    assert (resource.events, resource.data) == (["customer.updated"], "customer_only")
    assert "customer.created" not in account.objects("webhook_endpoint")[0]["enabled_events"]
    entry = AuditEntry.objects.get(action="changed resource")
    assert entry.changes["data"] == {"old": "all", "new": "customer_only"}
    account.create_customer(email="ada@mill.example")
    deliver()
    assert not Contact.objects.exists()

    for wrong in (
        {"data_choice": "all"},
        {"events": ["charge.succeeded"], "data_choice": "all"},
        {"events": ["customer.updated"]},
    ):
        assert marketer_client.post(address, wrong).status_code == 422
    resource.refresh_from_db()
    assert (resource.events, resource.data) == (["customer.updated"], "customer_only")


def test_a_refusal_of_stripe_keeps_the_switches_as_they_were_set(
    marketer_client: Client, stripe: Sandbox, live_hook: None, connect: Connect
) -> None:
    """A092, for a later change: the sentence, and what was chosen."""
    resource = connect("customer")
    stripe.faults(status=500, path="/v1/webhook_endpoints", count=1)
    address = reverse("connections:resource", args=[resource.pk])
    response = marketer_client.post(address, {"events": ["customer.deleted"], "data_choice": "all"})
    page = response.content.decode()
    assert response.status_code == 422 and "Stripe cannot be reached" in page
    assert 'value="customer.deleted" checked' in page and 'value="customer.created" checked' not in page
    resource.refresh_from_db()
    assert "customer.created" in resource.events


def test_history_is_started_paused_resumed_and_cancelled(
    marketer_client: Client, account: SandboxAccount, stripe: Sandbox, connect: Connect
) -> None:
    """E003, design 5: each step by a button, each written down."""
    account.grow(30)
    stripe.discard()
    resource = connect("customer")
    page_url = reverse("connections:resource", args=[resource.pk])
    marketer_client.post(reverse("connections:history-start", args=[resource.pk]))
    run = SyncRun.objects.get()
    assert "Pause import" in text(marketer_client, page_url)
    marketer_client.post(reverse("connections:history-pause", args=[run.pk]))
    assert "Resume import" in text(marketer_client, page_url)
    assert "Paused" in text(marketer_client, APP)
    marketer_client.post(reverse("connections:history-resume", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == SyncRun.State.QUEUED
    marketer_client.post(reverse("connections:history-cancel", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == SyncRun.State.CANCELLED
    assert "Import history again" in text(marketer_client, page_url)
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["started history", "paused history", "resumed history", "cancelled history"]


def test_progress_asks_again_only_while_the_import_moves(
    marketer_client: Client, account: SandboxAccount, stripe: Sandbox, connect: Connect, deliver: Deliver
) -> None:
    """E003: polled every two seconds, stops by itself, ends with counts."""
    account.grow(30)
    stripe.discard()
    resource = connect("customer", sync="history_and_new")
    address = reverse("connections:progress", args=[resource.runs.get().pk])
    running = text(marketer_client, address, **{"HX-Request": "true"})
    assert 'hx-trigger="every 2s"' in running and "Importing history" in running and "0 %" in running
    deliver()
    ended = marketer_client.get(address, headers={"HX-Request": "true"})
    assert "every 2s" not in ended.content.decode() and "announce" in ended["HX-Trigger"]
    assert f'id="last-record-{resource.pk}" hx-swap-oob="true"' in ended.content.decode()
    assert "None yet" not in ended.content.decode()
    row = text(marketer_client, address, **{"HX-Request": "true", "HX-Target": f"div#run-{resource.runs.get().pk}"})
    assert "30 read" in row and "every 2s" not in row


def test_waiting_events_say_when_they_are_tried_again(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    """Issue 1 point 9: the Waiting view."""
    connect("customer")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    InboundEvent.objects.update(
        attempts=2, last_error="Out of luck.", next_attempt_at=timezone.now() + timedelta(minutes=9, seconds=5)
    )
    page = text(marketer_client, "/apps/stripe/log/waiting/")
    assert "customer.<wbr>created" in page and "Attempt 3 of 11" in page and "Out of luck." in page and "in 9" in page
    assert reverse("connections:waiting") in text(marketer_client, "/apps/stripe/log/")
    InboundEvent.objects.update(state=State.DONE)
    assert "Nothing waits" in text(marketer_client, "/apps/stripe/log/waiting/")
