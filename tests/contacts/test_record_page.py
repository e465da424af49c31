"""One contact's page: head, cards, timeline, and why a field has its value."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.origin import Origin
from contacts import editing
from contacts.models import Activity, Contact, CustomField, Identity, Kind
from tests.contacts.conftest import START, record, sync
from users.models import User

HOSTILE = "<script>alert(1)</script>" + "😀\u202e" + "x" * 226


def page(client: Client, contact: Contact, query: str = "") -> str:
    response = client.get(contact.get_absolute_url() + query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_synced_contact_shows_tags_fields_customer_and_no_list(staff_client: Client, ana: Contact) -> None:
    """A003, A031, A032"""
    text = page(staff_client, ana)
    for shown in ("ana@example.com", "Ana María", "López García", "+34 600 100 200", "cus_1", "acct_1"):
        assert shown in text
    for tag in ("stripe-integration", "stripe-integration-customer.updated"):
        assert f"<bdi>{tag}</bdi>" in text
    lists = text[text.index('id="lists-heading"') :]
    assert ">none</p>" in lists[: lists.index("</section>")]


def test_an_address_breaks_after_its_signs_and_not_within_a_word(staff_client: Client, ana: Contact) -> None:
    """Under the name, among the details, and in the list."""
    assert page(staff_client, ana).count("ana@<wbr>example.<wbr>com<") == 2
    assert "ana@<wbr>example.<wbr>com<" in staff_client.get(reverse("contacts:list")).content.decode()


def test_staff_see_no_buttons_that_would_be_refused(
    staff_client: Client, marketer_client: Client, ana: Contact
) -> None:
    assert "Edit contact" in page(marketer_client, ana)
    text = page(staff_client, ana)
    for word in ("Edit contact", "Add tag", "Remove tag", "Add to list"):
        assert word not in text


def test_a_field_says_which_fact_won_and_which_did_not(
    staff_client: Client, ana: Contact, marketer: User, settings: Any
) -> None:
    editing.save(ana.pk, ana.version, {"phone": "+34 1"}, marketer)
    text = page(staff_client, ana)
    why = text[text.index('id="why-phone"') :]
    why = why[: why.index("</div>")]
    assert "From Mia Marketer" in why
    assert "+34 600 100 200" in why and "Stripe customer" in why and "cus_1" in why


def test_an_emptied_field_still_says_why(staff_client: Client, ana: Contact, marketer: User) -> None:
    editing.save(ana.pk, ana.version, {"phone": None}, marketer)
    text = page(staff_client, ana)
    assert "Show 1 empty field" in text
    assert "From Mia Marketer" in text[text.index('id="why-phone"') :]


def test_custom_values_are_shown_by_their_type(staff_client: Client, ana: Contact, marketer: User) -> None:
    fields = {"seats": ("number", 1234.5), "since": ("date", "2026-11-21"), "paid": ("boolean", False)}
    for key, (kind, _) in fields.items():
        CustomField.objects.create(key=key, label=key.title(), type=kind)
    editing.save(ana.pk, 1, {f"field:{key}": value for key, (_, value) in fields.items()}, marketer)
    text = page(staff_client, ana)
    assert "<span>1,234.5</span>" in text
    assert "Nov 21, 2026" in text
    assert "<span>No</span>" in text


def test_an_address_kept_apart_and_a_deleted_customer_are_shown(staff_client: Client, ana: Contact) -> None:
    Contact.objects.create(email="other@example.com", email_key="other@example.com")
    sync(record(2, email="other@example.com", at=9, deleted_at=START))
    assert Identity.objects.get().email == "other@example.com"
    text = page(staff_client, ana)
    assert "other@example.com belongs to another contact" in text
    assert "Deleted in Stripe" in text


@pytest.mark.parametrize("values", [{}, {"first_name": HOSTILE}, {"phone": HOSTILE[:100]}, {"email": "a@b.co"}])
def test_any_contact_has_a_page(
    staff_client: Client, marketer_client: Client, values: dict[str, str], db: None
) -> None:
    contact = Contact.objects.create(**values)
    for address in (contact.get_absolute_url(), "/contacts/"):
        text = staff_client.get(address).content.decode()
        assert "<script>alert" not in text
    assert marketer_client.get(reverse("contacts:edit", args=[contact.pk])).status_code == 200


def tell(contact: Contact, number: int, kind: str = Kind.SOURCE_EVENT, **values: Any) -> Activity:
    return Activity.objects.create(
        contact=contact,
        kind=kind,
        occurred_at=timezone.now() - timedelta(minutes=number // 2),  # two share each moment
        summary=f"Deed {number}.",
        origin=Origin.WEBHOOK,
        dedupe=f"deed {number}",
        **values,
    )


def deeds(text: str) -> list[int]:
    return [int(part.partition(".")[0]) for part in text.split("<bdi>Deed ")[1:]]


def test_older_activities_follow_by_key_and_none_is_lost_or_doubled(staff_client: Client, db: None) -> None:
    contact = Contact.objects.create(first_name="Ana")
    for number in range(45):
        tell(contact, number)
    url = reverse("contacts:activity", args=[contact.pk])
    seen: list[int] = []
    query = ""
    for _ in range(4):
        response = staff_client.get(url + query, headers={"HX-Request": "true"})
        seen += deeds(response.content.decode())
        older = response.context["page"].older
        if not older:
            break
        # A newer activity must not shift the pages.
        tell(contact, -len(seen))
        query = f"?before={older}"
    assert sorted(number for number in seen if number >= 0) == list(range(45))
    assert len(seen) == 45


def test_the_timeline_shows_one_kind_when_asked(staff_client: Client, db: None) -> None:
    contact = Contact.objects.create(first_name="Ana")
    tell(contact, 1)
    tell(contact, 2, Kind.TAG_ADDED)
    url = reverse("contacts:activity", args=[contact.pk])
    assert deeds(staff_client.get(url, {"kind": "tag"}).content.decode()) == [2]
    assert len(deeds(staff_client.get(url, {"kind": "nonsense", "before": "nonsense"}).content.decode())) == 2
