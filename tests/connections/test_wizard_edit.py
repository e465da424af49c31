"""The mapping of a connected resource: changed at any time, and only for what comes after."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from connections import setup
from connections.models import Resource, SetupDraft
from contacts.models import Contact, CustomField
from sandbox.stripe import SandboxAccount
from users.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = {
    "row-1-source": "email",
    "row-2-target": "",
    "row": ["3", "4"],
    "row-3-source": "customer.name",
    "row-3-target": "name",
    "row-4-source": "customer.phone",
    "row-4-target": "phone",
    "shown_for": "customer",
    "events": ["customer.created", "customer.updated"],
}


def url_of(resource: Resource) -> str:
    return f"/apps/stripe/resources/{resource.pk}/mapping/"


def save(client: Client, resource: Resource, **more: Any) -> Any:
    return client.post(url_of(resource), ROWS | {"action": "finish"} | more)


def test_the_stored_rows_are_filled_in(marketer_client: Client, connect: Callable[..., Resource]) -> None:
    """A074 A075."""
    rows = [
        {"from": ["customer.email", "email"], "to": "email", "write": "always"},
        {"from": ["customer.address.city"], "to": "phone", "write": "if_empty"},
    ]
    page = marketer_client.get(url_of(connect(rows=rows))).content.decode()
    assert 'value="customer.email|email" selected' in page
    assert 'value="customer.address.city" selected' in page
    assert 'value="phone" selected' in page
    assert "Existing contacts keep their values until their next Stripe event." in page


def test_finish_makes_the_next_mapping(marketer_client: Client, connect: Callable[..., Resource]) -> None:
    """A076."""
    resource = connect()
    response = save(marketer_client, resource, **{"row-4-source": "customer.address.city"})
    assert response["Location"] == "/apps/stripe/"
    assert "The mapping of Customer is saved." in str(next(iter(get_messages(response.wsgi_request))))
    resource.refresh_from_db()
    assert resource.mapping
    assert resource.mapping.number == 2
    assert resource.mapping.rows[2]["from"] == ["customer.address.city"]
    assert AuditEntry.objects.filter(action="changed mapping of").count() == 1
    save(marketer_client, resource, **{"row-4-source": "customer.address.city"})
    assert resource.mappings.count() == 2


def test_events_from_then_on_use_it_and_old_contacts_keep_their_values(
    marketer_client: Client,
    account: SandboxAccount,
    live_hook: None,
    connect: Callable[..., Resource],
    deliver: Callable[[], list[Any]],
) -> None:
    """A061 A077 A078."""
    CustomField.objects.create(key="town", label="Town", type="text", position=1)
    resource = connect()
    first = account.create_customer(email="ada@mill.example", name="Ada Miller", address={"city": "Leeds"})
    deliver()
    save(
        marketer_client,
        resource,
        **{
            "row-3-source": "",
            "row-3-target": "",
            "row-4-source": "customer.address.city",
            "row-4-target": "field:town",
        },
    )
    ada = Contact.objects.get()
    assert (ada.first_name, ada.custom) == ("Ada", {})
    account.create_customer(email="eva@mill.example", name="Eva Stone", address={"city": "York"})
    deliver()
    ada.refresh_from_db()
    assert (ada.first_name, ada.custom) == ("Ada", {})
    eva = Contact.objects.get(email="eva@mill.example")
    assert (eva.first_name, eva.custom) == ("", {"town": "York"})
    account.update_customer(first["id"], description="moved")
    deliver()
    ada.refresh_from_db()
    assert ada.custom == {"town": "Leeds"}


def test_events_can_be_switched_here_too(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Callable[..., Resource]
) -> None:
    resource = connect()
    save(marketer_client, resource, events=["customer.created"])
    resource.refresh_from_db()
    assert resource.events == ["customer.created"]
    refused = save(marketer_client, resource, events=["invoice.paid"])
    assert refused.status_code == 422
    assert "invoice.paid is not an event of this resource" in refused.content.decode()


def test_a_change_begun_before_another_was_saved_starts_again(
    marketer_client: Client, connect: Callable[..., Resource]
) -> None:
    resource = connect()
    marketer_client.post(url_of(resource), ROWS | {"row-4-source": "customer.description"})
    assert 'value="customer.description" selected' in marketer_client.get(url_of(resource)).content.decode()
    assert resource.mapping
    setup.write_mapping(resource, resource.mapping.rows[:2])
    page = marketer_client.get(url_of(resource)).content.decode()
    assert 'value="customer.description" selected' not in page
    assert SetupDraft.objects.filter(resource=resource).count() == 1


def test_the_wizards_addresses_lead_an_edit_to_its_page(
    marketer_client: Client, connect: Callable[..., Resource]
) -> None:
    resource = connect()
    marketer_client.get(url_of(resource))
    draft = SetupDraft.objects.get()
    for path in ("resource", "map"):
        assert marketer_client.get(f"/apps/stripe/setup/{draft.pk}/{path}/")["Location"] == url_of(resource)
    marketer_client.post(f"/apps/stripe/setup/{draft.pk}/discard/")
    resource.connection.refresh_from_db()
    assert resource.connection.is_connected


def test_a_disconnected_resource_has_no_mapping_page(marketer_client: Client, connect: Callable[..., Resource]) -> None:
    resource = connect()
    setup.remove_resource(resource)
    assert marketer_client.get(url_of(resource)).status_code == 404


def test_the_target_of_a_deleted_field_is_asked_for_again(
    marketer_client: Client, connect: Callable[..., Resource]
) -> None:
    rows = [
        {"from": ["email"], "to": "email", "write": "always"},
        {"from": ["customer.address.city"], "to": "field:gone", "write": "always"},
    ]
    resource = connect(rows=rows)
    page = marketer_client.get(url_of(resource))
    assert page.status_code == 200
    assert re.search(r"Choose a contact field that exists", page.content.decode())


def test_staff_may_not_edit(staff_client: Client, connect: Callable[..., Resource]) -> None:
    """E005."""
    assert staff_client.get(url_of(connect())).status_code == 403
