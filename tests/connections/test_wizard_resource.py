"""Step 2: resource, sync type, events."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from connections import setup
from connections.models import Resource, SetupDraft
from connections.sources.stripe import events
from sandbox.stripe import SandboxAccount
from tests.conftest import signed_in
from users.models import Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(account: SandboxAccount) -> SetupDraft:
    return setup.draft_for(setup.connect(account.key))


def url_of(draft: SetupDraft) -> str:
    return f"/apps/stripe/setup/{draft.pk}/resource/"


def options(page: str, name: str) -> list[tuple[str, str, bool]]:
    """(value, label, disabled) of a select."""
    select = re.search(rf'<select name="{name}".*?</select>', page, re.DOTALL)
    assert select
    found = re.findall(r'<option value="([^"]*)"([^>]*)>(.*?)</option>', select.group(), re.DOTALL)
    return [(value, label.strip(), "disabled" in rest) for value, rest, label in found]


def switches(page: str) -> dict[str, bool]:
    found = re.findall(r'name="events" value="([^"]+)"( checked)?', page)
    return {value: bool(checked) for value, checked in found}


def test_the_five_resources_in_order_and_order_with_its_reason(marketer_client: Client, draft: SetupDraft) -> None:
    """A024 A026 A048."""
    page = marketer_client.get(url_of(draft)).content.decode()
    labels = [label for _, label, _ in options(page, "kind")]
    assert labels[1:6] == ["Charge", "Customer", "Subscription", "Invoice", "Checkout Session"]
    assert options(page, "kind")[-1] == ("order", "Order (retired by Stripe)", True)
    assert "Checkout Session replaces them" in page
    assert "Choose resource" in page


def test_two_sync_types_and_none_is_chosen_beforehand(marketer_client: Client, draft: SetupDraft) -> None:
    """A050."""
    page = marketer_client.get(url_of(draft)).content.decode()
    assert [label for _, label, _ in options(page, "sync")][1:] == [
        "Historical records and new records",
        "New records only",
    ]
    assert re.findall(r'<option value="([^"]*)" selected', page) == ["", ""]


@pytest.mark.parametrize(
    ("given", "said", "silent"),
    [
        ({}, ["Choose a resource.", "Choose a sync type."], []),
        ({"kind": "charge"}, ["Choose a sync type."], ["Choose a resource."]),
        ({"sync": "new_only"}, ["Choose a resource."], ["Choose a sync type."]),
    ],
)
def test_an_empty_choice_is_named(
    marketer_client: Client, draft: SetupDraft, given: dict[str, str], said: list[str], silent: list[str]
) -> None:
    """A008."""
    response = marketer_client.post(url_of(draft), given)
    page = response.content.decode()
    assert response.status_code == 422
    assert all(sentence in page for sentence in said)
    assert not any(sentence in page for sentence in silent)
    assert "<title>Error:" in page
    draft.refresh_from_db()
    assert draft.sync == ""


@pytest.mark.parametrize("kind", Resource.Kind.values)
def test_choosing_a_resource_brings_its_events(marketer_client: Client, draft: SetupDraft, kind: str) -> None:
    """A027 A049: by htmx, those of the seeds switched on."""
    headers = {"HX-Request": "true", "HX-Target": "div#events"}
    page = marketer_client.get(url_of(draft), {"kind": kind}, headers=headers).content.decode()
    assert switches(page) == {event.type: event.on for event in events.offered(kind)}
    assert page.strip().startswith('<section class="card" id="events"')


def test_without_script_a_button_shows_the_events(marketer_client: Client, draft: SetupDraft) -> None:
    """E001."""
    response = marketer_client.post(
        url_of(draft), {"kind": "invoice", "sync": "new_only", "action": "events"}, follow=True
    )
    page = response.content.decode()
    assert "invoice.upcoming" in switches(page)
    assert re.search(r'value="invoice" selected', page)
    assert re.search(r'value="new_only" selected', page)


def test_an_event_of_another_resource_is_refused(marketer_client: Client, draft: SetupDraft) -> None:
    """A027."""
    given = {"kind": "charge", "sync": "new_only", "shown_for": "charge", "events": ["invoice.created"]}
    response = marketer_client.post(url_of(draft), given)
    assert response.status_code == 422
    assert "invoice.created is not an event of this resource" in response.content.decode()


def test_switches_of_a_resource_chosen_before_are_not_taken(marketer_client: Client, draft: SetupDraft) -> None:
    """A027 without script: the resource was changed after its events were shown."""
    given = {"kind": "charge", "sync": "new_only", "shown_for": "invoice", "events": ["invoice.created"]}
    response = marketer_client.post(url_of(draft), given)
    page = response.content.decode()
    assert response.status_code == 422
    assert "These are the events of the resource chosen now" in page
    assert switches(page) == {event.type: event.on for event in events.offered("charge")}


def test_no_event_at_all_is_refused(marketer_client: Client, draft: SetupDraft) -> None:
    response = marketer_client.post(url_of(draft), {"kind": "charge", "sync": "new_only", "shown_for": "charge"})
    assert response.status_code == 422
    assert "Switch on at least one event" in response.content.decode()


def test_continue_keeps_the_choices_and_back_shows_them(marketer_client: Client, draft: SetupDraft) -> None:
    """A053 A029."""
    given = {
        "kind": "subscription",
        "sync": "new_only",
        "shown_for": "subscription",
        "events": ["customer.subscription.paused", "customer.subscription.created"],
    }
    response = marketer_client.post(url_of(draft), given)
    assert response["Location"] == f"/apps/stripe/setup/{draft.pk}/map/"
    draft.refresh_from_db()
    assert (draft.kind, draft.sync, draft.data) == ("subscription", "new_only", "customer_only")
    assert draft.events == ["customer.subscription.created", "customer.subscription.paused"]
    page = marketer_client.get(url_of(draft)).content.decode()
    assert re.search(r'value="subscription" selected', page)
    assert [name for name, on in switches(page).items() if on] == draft.events
    assert not re.search(r'name="everything" value="on" checked', page)


def test_events_that_were_never_shown_keep_their_defaults(marketer_client: Client, draft: SetupDraft) -> None:
    marketer_client.post(url_of(draft), {"kind": "charge", "sync": "history_and_new"})
    draft.refresh_from_db()
    assert draft.events == events.defaults("charge")
    assert draft.data == "all"


def test_another_resource_begins_its_mapping_anew(marketer_client: Client, draft: SetupDraft) -> None:
    draft.kind, draft.sync, draft.rows, draft.samples_kind = "charge", "new_only", [], "charge"
    draft.save()
    marketer_client.post(url_of(draft), {"kind": "charge", "sync": "history_and_new"})
    draft.refresh_from_db()
    assert draft.rows == []
    marketer_client.post(url_of(draft), {"kind": "invoice", "sync": "history_and_new"})
    draft.refresh_from_db()
    assert (draft.rows, draft.samples_kind) == (None, "")


def test_a_connected_resource_and_a_missing_right_disable_their_options(
    marketer_client: Client, account: SandboxAccount, connect: Callable[..., Resource]
) -> None:
    """Restricted keys: the option names the right."""
    resource = connect("customer", key=account.restricted_key(without=["rak_invoice_read", "rak_invoice_write"]))
    response = marketer_client.get(f"/apps/stripe/{resource.connection.pk}/add/", follow=True)
    found = {value: (label, disabled) for value, label, disabled in options(response.content.decode(), "kind")}
    assert found["customer"] == ("Customer (already connected)", True)
    assert found["invoice"] == ("Invoice (the key lacks the permission rak_invoice_read)", True)
    assert found["charge"] == ("Charge", False)
    draft = SetupDraft.objects.get()
    for kind in ("customer", "invoice", "order"):
        refused = marketer_client.post(url_of(draft), {"kind": kind, "sync": "new_only"})
        assert refused.status_code == 422
    assert "Checkout Session, which replaces them" in refused.content.decode()


def test_a_test_account_says_so(marketer_client: Client, account: SandboxAccount) -> None:
    draft = setup.draft_for(setup.connect(account.test.key))
    assert ">Test</span>" in marketer_client.get(url_of(draft)).content.decode()


def test_adding_opens_the_draft_that_is_there(
    marketer_client: Client, connect: Callable[..., Resource], make_user: Callable[..., User]
) -> None:
    """The draft of somebody else can be continued."""
    connection = connect("customer").connection
    first = marketer_client.get(f"/apps/stripe/{connection.pk}/add/")
    other = signed_in(make_user(Role.MARKETER, email="second@example.com"))
    assert other.post(f"/apps/stripe/{connection.pk}/add/")["Location"] == first["Location"]
    assert other.get(first["Location"]).status_code == 200


def test_a_disconnected_account_asks_for_its_key_first(
    marketer_client: Client, connect: Callable[..., Resource]
) -> None:
    connection = connect("customer").connection
    setup.disconnect(connection)
    assert marketer_client.get(f"/apps/stripe/{connection.pk}/add/")["Location"] == "/apps/stripe/connect/"


def test_discarding_forgets_the_key_of_an_account_that_has_nothing_else(
    marketer_client: Client, draft: SetupDraft
) -> None:
    response = marketer_client.post(f"/apps/stripe/setup/{draft.pk}/discard/")
    assert response.status_code == 302
    assert not SetupDraft.objects.exists()
    draft.connection.refresh_from_db()
    assert draft.connection.api_key_sealed is None
    assert marketer_client.get(url_of(draft)).status_code == 404


def test_staff_may_not_choose(staff_client: Client, draft: SetupDraft) -> None:
    """E005."""
    assert staff_client.get(url_of(draft)).status_code == 403
    assert staff_client.post(f"/apps/stripe/setup/{draft.pk}/discard/").status_code == 403
