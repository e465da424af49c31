"""What people change by hand: fields, tags, lists."""

from __future__ import annotations

import html
import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from contacts import editing
from contacts.models import Activity, Contact, ContactList, CustomField, Kind, Tag
from tests.contacts.conftest import record, sync
from users.models import User


def posted(client: Client, contact: Contact | None) -> dict[str, Any]:
    """What a browser would send back untouched: every input of the form with its value."""
    url = reverse("contacts:edit", args=[contact.pk]) if contact else reverse("contacts:create")
    form = client.get(url).context["form"]
    data: dict[str, Any] = {"version": form["version"].value() or 0}
    for field in form.visible_fields():
        widget_value = field.field.widget.format_value(field.value())
        if isinstance(widget_value, list):
            widget_value = widget_value[0]
        data[field.html_name] = "" if widget_value is None else widget_value
        data[field.html_initial_name] = data[field.html_name]
    return data


def save(client: Client, contact: Contact, data: dict[str, Any], **headers: Any) -> Any:
    return client.post(reverse("contacts:edit", args=[contact.pk]), data, **headers)


def test_an_edit_is_saved_and_told_with_its_maker(marketer_client: Client, marketer: User, ana: Contact) -> None:
    response = save(
        marketer_client, ana, posted(marketer_client, ana) | {"phone": "+49 30 1", "email": "Ana@Neu.example"}
    )
    assert response["Location"] == ana.get_absolute_url()
    ana.refresh_from_db()
    assert (ana.phone, ana.email, ana.email_key, ana.version) == ("+49 30 1", "Ana@Neu.example", "ana@neu.example", 2)
    told = Activity.objects.get(kind=Kind.CONTACT_UPDATED)
    assert (told.origin, told.data) == ("user", {"user": marketer.pk, "by": "Mia Marketer"})
    assert told.changes == [
        {"field": "email", "old": "ana@example.com", "new": "Ana@Neu.example"},
        {"field": "phone", "old": "+34 600 100 200", "new": "+49 30 1"},
    ]


def test_an_older_fact_does_not_undo_an_edit_and_a_newer_one_does(marketer_client: Client, ana: Contact) -> None:
    """A contact field takes only a newer fact than it holds."""
    save(marketer_client, ana, posted(marketer_client, ana) | {"phone": "by hand"})
    sync(record(2, at=60, phone="late news"))
    ana.refresh_from_db()
    assert ana.phone == "by hand"
    sync(record(3, at=10**9, phone="from the future"))
    ana.refresh_from_db()
    assert ana.phone == "from the future"
    save(marketer_client, ana, posted(marketer_client, ana) | {"phone": "by hand again"})
    ana.refresh_from_db()
    assert ana.phone == "by hand again"


def test_only_if_empty_respects_what_a_person_wrote(marketer_client: Client, ana: Contact) -> None:
    save(marketer_client, ana, posted(marketer_client, ana) | {"phone": "by hand"})
    sync(record(2, customer="cus_2", at=10**9, phone="mapped", if_empty=True))
    ana.refresh_from_db()
    assert ana.phone == "by hand"


def test_a_field_nobody_touched_keeps_what_a_sync_wrote_meanwhile(marketer_client: Client, ana: Contact) -> None:
    data = posted(marketer_client, ana)
    sync(record(2, at=60, phone="news"))
    save(marketer_client, ana, data | {"first_name": "Anna"})
    ana.refresh_from_db()
    assert (ana.first_name, ana.phone) == ("Anna", "news")


def test_saving_untouched_changes_nothing(marketer_client: Client, ana: Contact) -> None:
    CustomField.objects.create(key="at", label="At", type="datetime")
    CustomField.objects.create(key="size", label="Size", type="choice", choices=["S", "M"])
    CustomField.objects.create(key="paid", label="Paid", type="boolean")
    ana.custom = {"at": "2026-11-21T10:00:59Z", "size": "gone", "paid": True, "old": 1}
    ana.save()
    assert save(marketer_client, ana, posted(marketer_client, ana)).status_code == 302
    before = ana.custom
    ana.refresh_from_db()
    assert (ana.custom, ana.version) == (before, 1)
    assert not Activity.objects.filter(kind=Kind.CONTACT_UPDATED).exists()


def test_typed_fields_store_typed_values(marketer_client: Client, ana: Contact) -> None:
    values = {
        "seats": ("number", "12.50", 12.5),
        "since": ("date", "2026-11-21", "2026-11-21"),
        "at": ("datetime", "2026-11-21T10:30", "2026-11-21T10:30:00Z"),
        "paid": ("boolean", "false", False),
        "size": ("choice", "M", "M"),
        "note": ("text", "<b>😀", "<b>😀"),
    }
    for key, (kind, _, _) in values.items():
        CustomField.objects.create(key=key, label=key, type=kind, choices=["M"] if kind == "choice" else [])
    data = posted(marketer_client, ana) | {f"field:{key}": typed for key, (_, typed, _) in values.items()}
    assert save(marketer_client, ana, data).status_code == 302
    ana.refresh_from_db()
    assert ana.custom == {key: stored for key, (_, _, stored) in values.items()}


@pytest.mark.parametrize(
    ("key", "typed"),
    [("seats", "many"), ("seats", "1e400"), ("since", "yesterday"), ("size", "XXL")],
)
def test_a_value_of_the_wrong_type_is_refused_beside_its_field(
    marketer_client: Client, ana: Contact, key: str, typed: str
) -> None:
    for name, kind in (("seats", "number"), ("since", "date"), ("size", "choice")):
        CustomField.objects.create(key=name, label=name, type=kind, choices=["M"] if kind == "choice" else [])
    response = save(marketer_client, ana, posted(marketer_client, ana) | {f"field:{key}": typed})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [f"field:{key}"]


def test_an_address_of_somebody_else_is_refused_with_a_link_to_them(marketer_client: Client, ana: Contact) -> None:
    bob = Contact.objects.create(first_name="Bob", email="bob@example.com", email_key="bob@example.com")
    response = save(marketer_client, bob, posted(marketer_client, bob) | {"email": "ANA@example.com"})
    text = html.unescape(response.content.decode())
    assert response.status_code == 422
    assert "This address belongs to Ana María López García." in text
    assert f'href="{ana.get_absolute_url()}"' in text
    assert "<title>Error:" in text.replace("\n", "")


def test_a_test_contact_may_have_the_address_of_a_live_one(marketer_client: Client, ana: Contact) -> None:
    tess = Contact.objects.create(first_name="Tess", is_test=True)
    assert save(marketer_client, tess, posted(marketer_client, tess) | {"email": "ana@example.com"}).status_code == 302


@pytest.mark.parametrize("email", ["nonsense", "a@", "a b@example.com", "a@example.com,b@example.com"])
def test_what_is_no_address_is_refused(marketer_client: Client, ana: Contact, email: str) -> None:
    response = save(marketer_client, ana, posted(marketer_client, ana) | {"email": email})
    assert response.status_code == 422
    assert "This is not an email address" in response.content.decode()


def test_two_editors_notice_each_other_and_nothing_typed_is_lost(
    marketer_client: Client, admin_client: Client, ana: Contact
) -> None:
    first, second = posted(marketer_client, ana), posted(admin_client, ana)
    save(admin_client, ana, second | {"phone": "admin's"})
    response = save(marketer_client, ana, first | {"phone": "marketer's"})
    text = html.unescape(response.content.decode())
    assert response.status_code == 409
    assert "Changed meanwhile by Ada Admin" in text and "Phone: <bdi>admin's</bdi>" in text
    assert 'value="marketer\'s"' in text
    again = first | {"phone": "marketer's", "version": response.context["form"]["version"].value()}
    assert save(marketer_client, ana, again).status_code == 302
    ana.refresh_from_db()
    assert (ana.phone, ana.version) == ("marketer's", 3)


def test_a_refused_form_comes_back_alone_by_htmx(marketer_client: Client, ana: Contact) -> None:
    headers = {"HX-Request": "true", "HX-Target": "form#contact-form"}
    response = save(marketer_client, ana, posted(marketer_client, ana) | {"email": "x"}, headers=headers)
    assert response.content.decode().strip().startswith('<form id="contact-form"')


def test_a_contact_is_made_by_hand(marketer_client: Client) -> None:
    data = posted(marketer_client, None) | {"first_name": "Eva", "email": "eva@example.com"}
    response = marketer_client.post(reverse("contacts:create"), data)
    eva = Contact.objects.get()
    assert response["Location"] == eva.get_absolute_url()
    assert (eva.name, eva.email_key, eva.is_test) == ("Eva", "eva@example.com", False)
    assert Activity.objects.get().kind == Kind.CONTACT_CREATED
    assert marketer_client.post(reverse("contacts:create"), data).status_code == 422


def test_nobody_at_all_is_not_made(marketer_client: Client, db: None) -> None:
    response = marketer_client.post(reverse("contacts:create"), posted(marketer_client, None))
    assert response.status_code == 422
    assert not Contact.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_people_making_the_same_contact_make_one(marketer: User) -> None:
    both = threading.Barrier(2)
    results: list[str] = []

    def make() -> None:
        client = Client()
        client.force_login(marketer)
        data = posted(client, None) | {"email": "eva@example.com"}
        both.wait(10)
        results.append(str(client.post(reverse("contacts:create"), data).status_code))
        connection.close()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["302", "422"]
    assert Contact.objects.count() == 1


def test_tags_are_put_on_and_taken_off_by_hand_and_told(marketer_client: Client, ana: Contact) -> None:
    """A033: the same tag twice adds nothing."""
    url = reverse("contacts:add-tag", args=[ana.pk])
    for _ in range(2):
        assert marketer_client.post(url, {"name": "  vip \n guest "}).status_code == 302
    tag = Tag.objects.get(name="vip guest")
    assert list(tag.contacts.all()) == [ana]
    marketer_client.post(reverse("contacts:remove-tag", args=[ana.pk, tag.pk]))
    assert not tag.contacts.exists()
    told = Activity.objects.filter(origin="user").order_by("pk").values_list("kind", "data__tag")
    assert list(told) == [("tag.added", "vip guest"), ("tag.removed", "vip guest")]


@pytest.mark.parametrize("name", ["", " \x00 ", "x" * 151, "stripe-integration-made-up"])
def test_a_bad_tag_is_refused(marketer_client: Client, ana: Contact, name: str) -> None:
    response = marketer_client.post(reverse("contacts:add-tag", args=[ana.pk]), {"name": name})
    assert response.status_code == 422
    assert Tag.objects.count() == 2


def test_lists_are_joined_and_left_by_hand_and_told(marketer_client: Client, ana: Contact) -> None:
    readers = ContactList.objects.create(name="Readers")
    url = reverse("contacts:join-list", args=[ana.pk])
    assert marketer_client.post(url, {"list": readers.pk}).status_code == 302
    assert marketer_client.post(url, {"list": readers.pk}).status_code == 422
    assert list(ana.lists.all()) == [readers]
    marketer_client.post(reverse("contacts:leave-list", args=[ana.pk, readers.pk]))
    assert not ana.lists.exists()
    told = Activity.objects.filter(origin="user").order_by("pk").values_list("kind", "summary")
    assert list(told) == [("list.joined", "Joined list: Readers"), ("list.left", "Left list: Readers")]


def test_an_edit_that_changes_nothing_visible_tells_nothing(ana: Contact, marketer: User) -> None:
    assert editing.save(ana.pk, ana.version, {"phone": ana.phone}, marketer) == []
    ana.refresh_from_db()
    assert ana.version == 1
