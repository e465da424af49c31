"""Settings: custom fields, tags and lists."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from contacts.fields import targets
from contacts.models import Contact, ContactList, CustomField, Tag
from users.models import AuditEntry


def create_field(client: Client, label: str, kind: str = "text", choices: str = "", query: str = "") -> Any:
    url = reverse("contacts:field-create") + query
    return client.post(url, {"label": label, "type": kind, "choices": choices})


def keys() -> list[str]:
    return list(CustomField.objects.values_list("key", flat=True))


def test_a_field_is_made_by_a_person_and_offered_to_mappings(marketer_client: Client) -> None:
    """A004"""
    assert create_field(marketer_client, "Plan name")["Location"] == reverse("contacts:fields")
    field = CustomField.objects.get()
    assert (field.key, field.target, field.type) == ("plan_name", "field:plan_name", "text")
    assert targets()["field:plan_name"].label == "Plan name"
    assert "field:plan_name" in marketer_client.get(reverse("contacts:fields")).content.decode()
    assert AuditEntry.objects.latest("pk").action == "created field"


@pytest.mark.parametrize(
    ("label", "key"),
    [("Plan", "plan"), ("2nd plan", "field_2nd_plan"), ("Größe", "groe"), ("日本語", "field"), ("x" * 100, "x" * 50)],
)
def test_a_key_is_made_from_any_label(marketer_client: Client, label: str, key: str) -> None:
    create_field(marketer_client, label)
    assert keys() == [key]
    CustomField.objects.get().full_clean()


def test_labels_that_make_the_same_key_get_keys_of_their_own(marketer_client: Client) -> None:
    for label in ("Plan name", "Plan-name", "Plan  name!"):
        create_field(marketer_client, label)
    assert keys() == ["plan_name", "plan_name_2", "plan_name_3"]


@pytest.mark.parametrize(
    ("label", "kind", "choices", "wrong"),
    [
        ("", "text", "", "label"),
        ("plan", "text", "", "label"),
        ("Size", "choice", " \n ", "choices"),
        ("Size", "choice", "x" * 101, "choices"),
        ("Size", "money", "", "type"),
    ],
)
def test_a_bad_field_is_refused(marketer_client: Client, label: str, kind: str, choices: str, wrong: str) -> None:
    create_field(marketer_client, "Plan")
    response = create_field(marketer_client, label, kind, choices)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [wrong]
    assert keys() == ["plan"]


@pytest.mark.parametrize(
    ("back", "location"),
    [
        ("/apps/stripe/setup/7/?step=3", "/apps/stripe/setup/7/?step=3"),
        ("https://evil.example/", "/settings/fields/"),
        ("//evil.example/", "/settings/fields/"),
        ("/\\evil.example", "/settings/fields/"),
        ("javascript:alert(1)", "/settings/fields/"),
    ],
)
def test_creating_a_field_leads_back_to_where_it_was_needed(marketer_client: Client, back: str, location: str) -> None:
    url = reverse("contacts:field-create")
    data = {"label": "Plan", "type": "text", "choices": "", "next": back}
    assert marketer_client.post(url, data)["Location"] == location
    shown = html.unescape(marketer_client.get(url, {"next": back}).content.decode())
    assert (f'value="{back}"' in shown) == (back == location)


def test_choices_change_and_the_type_does_not(marketer_client: Client) -> None:
    create_field(marketer_client, "Size", "choice", "S\nM\nM\n")
    field = CustomField.objects.get()
    url = reverse("contacts:field-edit", args=[field.pk])
    marketer_client.post(url, {"label": "Sizes", "type": "number", "choices": "M\nL"})
    field.refresh_from_db()
    assert (field.label, field.key, field.type, field.choices) == ("Sizes", "size", "choice", ["M", "L"])


def test_deleting_a_field_says_who_loses_what_and_leaves_nothing_behind(marketer_client: Client, ana: Contact) -> None:
    create_field(marketer_client, "Plan")
    field = CustomField.objects.get()
    facts = {"field:plan": {"user": {"t": 1, "id": "1", "v": "Pro", "log": None}}}
    for _ in range(5):
        Contact.objects.create(custom={"plan": "Pro", "other": 1}, facts=facts)
    url = reverse("contacts:field-delete", args=[field.pk])
    assert "5 contacts lose their value in it." in marketer_client.get(url).content.decode()
    assert CustomField.objects.exists()
    marketer_client.post(url)
    assert not CustomField.objects.exists()
    assert list(Contact.objects.exclude(pk=ana.pk).values_list("custom", "facts").distinct()) == [({"other": 1}, {})]
    ana.refresh_from_db()
    assert ana.facts["phone"]


def test_a_new_field_does_not_bring_back_values_of_a_deleted_one(marketer_client: Client) -> None:
    contact = Contact.objects.create(custom={"plan": "left behind"})
    create_field(marketer_client, "Plan")
    contact.refresh_from_db()
    assert contact.custom == {}


def test_fields_move_one_place(marketer_client: Client) -> None:
    for label in ("A", "B", "C"):
        create_field(marketer_client, label)
    b = CustomField.objects.get(key="b").pk
    marketer_client.post(reverse("contacts:field-up", args=[b]))
    assert keys() == ["b", "a", "c"]
    marketer_client.post(reverse("contacts:field-up", args=[b]))
    assert keys() == ["b", "a", "c"]
    marketer_client.post(reverse("contacts:field-down", args=[b]))
    assert keys() == ["a", "b", "c"]


def test_tags_are_counted_renamed_and_deleted(marketer_client: Client, ana: Contact) -> None:
    vip = Tag.objects.create(name="vip")
    ana.tags.add(vip)
    page = marketer_client.get(reverse("contacts:tags"))
    assert {tag.name: tag.size for tag in page.context["page"]}["vip"] == 1
    marketer_client.post(reverse("contacts:tag-rename", args=[vip.pk]), {"name": "guest"})
    assert ana.tags.filter(name="guest").exists()
    url = reverse("contacts:tag-delete", args=[vip.pk])
    assert "1 contact loses it." in marketer_client.get(url).content.decode()
    marketer_client.post(url)
    assert Contact.objects.get() == ana
    assert not Tag.objects.filter(name="guest").exists()


@pytest.mark.parametrize("name", ["", "stripe-integration", "vip"])
def test_a_tag_is_not_renamed_to_nothing_or_to_another_one(marketer_client: Client, db: None, name: str) -> None:
    Tag.objects.create(name="vip")
    guest = Tag.objects.create(name="guest")
    response = marketer_client.post(reverse("contacts:tag-rename", args=[guest.pk]), {"name": name})
    assert response.status_code == 422


def test_a_tag_of_the_integration_keeps_its_name(marketer_client: Client, ana: Contact) -> None:
    tag = Tag.objects.get(name="stripe-integration")
    url = reverse("contacts:tag-rename", args=[tag.pk])
    assert marketer_client.post(url, {"name": "mine"}).status_code == 403
    text = marketer_client.get(reverse("contacts:tags")).content.decode()
    assert f'"{url}"' not in text
    assert "Stripe integration" in text


def test_lists_are_made_renamed_and_deleted_and_contacts_stay(marketer_client: Client, ana: Contact) -> None:
    marketer_client.post(reverse("contacts:list-create"), {"name": "Readers", "description": "Monthly"})
    readers = ContactList.objects.get()
    ana.lists.add(readers)
    marketer_client.post(reverse("contacts:list-edit", args=[readers.pk]), {"name": "Fans"})
    url = reverse("contacts:list-delete", args=[readers.pk])
    question = marketer_client.get(url).content.decode()
    assert "Delete list “Fans”?" in question and "1 contact leaves it. The contacts stay." in question
    marketer_client.post(url)
    assert not ContactList.objects.exists()
    assert Contact.objects.exists()


def test_a_page_under_settings_belongs_to_settings_alone(marketer_client: Client) -> None:
    for name, label in (("fields", "Settings"), ("list", "Contacts"), ("create", "Contacts")):
        page = marketer_client.get(reverse(f"contacts:{name}"))
        entries = [entry for _, group in page.context["navigation"]() for entry in group]
        entries += page.context["navigation_foot"]()
        assert [entry.label for entry in entries if entry.current] == [label]
