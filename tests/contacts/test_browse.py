"""The list of contacts: search, filters, sorting, pages, export."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from contacts import editing
from contacts.models import Contact, ContactList, CustomField, Tag
from contacts.templatetags.contacts import sources as shown_sources
from tests.contacts.conftest import MakeContacts, record, sync
from users.models import AuditEntry, User

URL = "/contacts/"


def names(response: Any) -> list[str]:
    return [contact.name for contact in response.context["page"]]


def test_the_list_shows_contacts_newest_first_with_name_address_tags_and_source(
    staff_client: Client, ana: Contact
) -> None:
    sync(record(2, customer="cus_2", email="test@example.com", first_name="Tess", is_test=True))
    response = staff_client.get(URL)
    text = response.content.decode().replace("<wbr>", "")
    assert names(response) == ["Tess", "Ana María López García"]
    assert "ana@example.com" in text and "stripe-integration" in text and "Stripe" in text
    assert text.count('badge--warn badge--plain">Test') == 1


def test_a_guest_came_from_where_the_payment_did(staff_client: Client, marketer: User) -> None:
    """Stripe tells of who pays without being a customer, too; a person's edit does not change where they came from."""
    sync(record(1, customer=None, email="guest@example.com", first_name="Gus"))
    guest = Contact.objects.get()
    editing.save(guest.pk, 1, {"phone": "+34 600 100 200"}, marketer)
    assert [shown_sources(contact) for contact in staff_client.get(URL).context["page"]] == [["Stripe"]]
    editing.create({"email": "hand@example.com", "first_name": "Hannah"}, marketer)
    page = staff_client.get(URL)
    assert [shown_sources(contact) for contact in page.context["page"]] == [[], ["Stripe"]]
    assert page.content.decode().count("By hand") == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=lopez%20ana", []),  # words are compared as written
        ("q=lópez+ana", ["Ana María López García"]),
        ("q=ANA@EXAMPLE", ["Ana María López García"]),
        ("q=600+100", ["Ana María López García"]),
        ("q=%00", ["Bob", "Ana María López García"]),
        ("tag=vip", ["Bob"]),
        ("mode=test", []),
        ("mode=live&tag=stripe-integration", ["Ana María López García"]),
        ("created=1&q=bob", ["Bob"]),
        ("sort=name", ["Ana María López García", "Bob"]),
        ("sort=-email", ["Ana María López García", "Bob"]),
        ("sort=nonsense&page=nonsense", ["Bob", "Ana María López García"]),
    ],
)
def test_search_and_filters_stand_in_the_address(
    staff_client: Client, ana: Contact, query: str, found: list[str]
) -> None:
    bob = Contact.objects.create(first_name="Bob")
    bob.tags.add(Tag.objects.create(name="vip"))
    assert names(staff_client.get(f"{URL}?{query}")) == found


def test_a_list_filters_too(staff_client: Client, ana: Contact) -> None:
    readers = ContactList.objects.create(name="Readers")
    assert names(staff_client.get(f"{URL}?list={readers.pk}")) == []
    readers.contacts.add(ana)
    assert names(staff_client.get(f"{URL}?list={readers.pk}")) == [ana.name]


def test_htmx_gets_the_table_alone_and_the_count_is_announced(staff_client: Client, ana: Contact) -> None:
    response = staff_client.get(URL, {"q": "ana"}, headers={"HX-Request": "true"})
    text = response.content.decode().strip()
    assert text.startswith('<div id="contacts-table"')
    assert "<html" not in text
    assert json.loads(response.headers["HX-Trigger"]) == {"announce": {"message": "1 contact"}}


def test_the_sorted_column_says_so(staff_client: Client, ana: Contact) -> None:
    text = staff_client.get(f"{URL}?sort=updated&q=ana").content.decode()
    assert 'aria-sort="ascending"' in text
    assert "?q=ana&amp;sort=-updated" in text or "?sort=-updated&amp;q=ana" in text


def test_an_empty_list_says_how_to_fill_it(marketer_client: Client) -> None:
    assert "No contacts yet" in marketer_client.get(URL).content.decode()
    assert "No contact found" in marketer_client.get(f"{URL}?q=nobody").content.decode()


def test_the_number_of_queries_does_not_grow_with_the_rows(
    staff_client: Client, make_contacts: MakeContacts, django_assert_max_num_queries: Any
) -> None:
    make_contacts(3)
    staff_client.get(URL)
    counts = []
    for number in (3, 60):
        make_contacts(number, first=100)
        with django_assert_max_num_queries(12) as counted:
            response = staff_client.get(f"{URL}?tag=stripe-integration&mode=live&q=person")
        counts.append(len(counted.captured_queries))
    assert len(response.context["page"]) == 50
    assert counts[0] == counts[1]


def exported(client: Client, kind: str, query: str = "") -> str:
    response = client.post(f"{reverse('contacts:export')}?{query}", {"format": kind})
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_the_export_has_the_filtered_contacts_and_is_written_down(marketer_client: Client, ana: Contact) -> None:
    CustomField.objects.create(key="plan", label="Plan")
    ana.lists.add(ContactList.objects.create(name="Readers"))
    Contact.objects.create(first_name="Bob")
    (line,) = exported(marketer_client, "jsonl", "q=ana").splitlines()
    row = json.loads(line)
    assert row | {"created_at": "", "updated_at": ""} == {
        "id": ana.pk,
        "email": "ana@example.com",
        "first_name": "Ana María",
        "last_name": "López García",
        "phone": "+34 600 100 200",
        "tags": ["stripe-integration", "stripe-integration-customer.updated"],
        "lists": ["Readers"],
        "fields": {"plan": None},
        "sources": [{"source": "stripe", "account": "acct_1", "customer_id": "cus_1"}],
        "created_at": "",
        "updated_at": "",
    }
    assert row["created_at"].endswith("Z")
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.object_label) == ("exported contacts", "1 contacts")


def test_a_spreadsheet_runs_nothing_of_what_it_opens(marketer_client: Client, ana: Contact) -> None:
    Contact.objects.create(first_name='=HYPERLINK("http://evil")', last_name=" \u200f＝1+1", phone="-5")
    text = exported(marketer_client, "csv")
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows[0]["phone"] == "'+34 600 100 200"
    assert rows[0]["tags"] == "stripe-integration; stripe-integration-customer.updated"
    assert rows[1]["first_name"] == """'=HYPERLINK("http://evil")"""
    assert rows[1]["last_name"].startswith("'")
    assert rows[1]["phone"] == "'-5"
