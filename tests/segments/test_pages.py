"""Segments as pages: list, create, edit, duplicate, delete; on the list of contacts; advanced search; export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Contact, ContactTag, CustomField, Tag
from segments import usage
from segments.compiling import contacts_matching, matches
from segments.conditions import Condition, Group, as_json, parse
from segments.models import Segment
from segments.usage import Use
from tests.recurring_payments.rows import payment
from tests.segments.test_builder import row, sent
from users.models import AuditEntry, User

pytestmark = pytest.mark.django_db
FAILED = "stripe-integration-invoice.payment_failed"
ANAS = Group("all", (Condition("contact.first_name", "is", "Ana"),))


def person(name: str, **values: Any) -> Contact:
    address = f"{name.lower()}@example.com"
    return Contact.objects.create(first_name=name, email=address, email_key=address, **values)


@pytest.fixture
def ana(db: None) -> Contact:
    person("Ben")
    return person("Ana")


@pytest.fixture
def anas(ana: Contact, marketer: User) -> Segment:
    return Segment.objects.create(name="Anas", conditions=as_json(ANAS), created_by=marketer)


@pytest.fixture
def used() -> Iterator[list[int]]:
    """Segments that a campaign uses, by primary key."""
    found: list[int] = []
    usage.register(
        "test", lambda keys: [Use(key, "Campaign", "Spring sale", "/spring/") for key in found if key in keys]
    )
    yield found
    usage.register("test", lambda keys: [])


def text_of(answer: Any) -> str:
    """As it is read: without the places where a long word may break."""
    return str(answer.content.decode()).replace("<wbr>", "")


def form(name: str, *rows: tuple[str, dict[str, str]], **extra: str) -> dict[str, Any]:
    data = {key.replace("c-", "conditions-", 1): value for key, value in sent(*rows).items()}
    return {"name": name, **data, **extra}


NAMED = ("0", row("contact.first_name", "is", value="ana"))


# --- Who is in it ---


def test_a_segment_finds_the_contacts_of_an_event_and_no_other(ana: Contact) -> None:
    """A039"""
    tag = Tag.objects.create(name=FAILED)
    ContactTag.objects.create(contact=ana, tag=tag)
    ContactTag.objects.create(contact=person("Tess", is_test=True), tag=tag)
    gone = person("Gone", merged_into=ana)
    ContactTag.objects.create(contact=gone, tag=tag)
    group = Group("all", (Condition("contact.tag", "has", FAILED),))
    assert list(contacts_matching(group)) == [ana]
    assert [contact.first_name for contact in contacts_matching(group, test=True)] == ["Tess"]
    assert matches(group, ana.pk)
    assert matches(group, Contact.objects.get(first_name="Tess").pk)
    assert not matches(group, Contact.objects.get(first_name="Ben").pk)


def test_asking_costs_one_query(ana: Contact, django_assert_num_queries: Any) -> None:
    soon = {"count": 7, "unit": "days"}
    items = [
        {"field": "contact.tag", "operator": "has", "value": "a"},
        {"field": "contact.paid_total", "operator": "at_most", "value": {"amount": "1", "currency": "EUR"}},
        {"about": "recurring_payment", "quantifier": "none", "match": "all", "conditions": [
            {"field": "recurring_payment.next_payment_date", "operator": "within_next", "value": soon}]},
    ]  # fmt: skip
    group = parse({"match": "any", "items": items})
    with django_assert_num_queries(2):  # custom fields, contacts
        assert ana in contacts_matching(group)


def test_a_contact_with_many_matching_payments_is_found_once(ana: Contact) -> None:
    for number in range(5):
        payment(ana, number)
    group = Group("any", (Condition("recurring_payment.name", "contains", "plan"), ANAS.items[0]))
    assert list(contacts_matching(group)) == [ana]


# --- Pages ---


def test_a_segment_is_made_and_shows_who_is_in_it(marketer_client: Client, ana: Contact, marketer: User) -> None:
    """B036"""
    answer = marketer_client.post(reverse("segments:create"), form("Anas", NAMED))
    segment = Segment.objects.get()
    assert answer.headers["Location"] == segment.get_absolute_url()
    assert segment.created_by == marketer
    assert segment.conditions == {"match": "all", "items": [
        {"field": "contact.first_name", "operator": "is", "value": "ana"}]}  # fmt: skip
    page = text_of(marketer_client.get(segment.get_absolute_url()))
    assert "First name is “ana”" in page
    assert "ana@example.com" in page
    assert "ben@example.com" not in page
    assert AuditEntry.objects.get(action="created segment").object_label == "Anas"


def test_a_refused_form_says_why_and_keeps_what_was_typed(marketer_client: Client, anas: Segment) -> None:
    answer = marketer_client.post(reverse("segments:create"), form("Anas", ("0", row("contact.first_name", "is"))))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "There is a segment of this name already." in page
    assert "Enter what to compare with." in page
    assert 'value="Anas"' in page
    assert Segment.objects.count() == 1


def test_rows_are_added_without_javascript(marketer_client: Client, anas: Segment) -> None:
    address = reverse("segments:edit", args=[anas.pk])
    answer = marketer_client.post(address, form("Renamed", NAMED, **{"conditions-do": "group:"}))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'id="conditions-1-0-field"' in page
    assert 'value="Renamed"' in page
    assert "field-error" not in page
    anas.refresh_from_db()
    assert anas.name == "Anas"


def test_a_segment_is_changed_and_written_down(marketer_client: Client, anas: Segment) -> None:
    ben = ("0", row("contact.first_name", "is", value="Ben"))
    marketer_client.post(reverse("segments:edit", args=[anas.pk]), form("Bens", ben))
    anas.refresh_from_db()
    assert anas.name == "Bens"
    entry = AuditEntry.objects.get(action="changed segment")
    assert entry.changes["name"] == {"old": "Anas", "new": "Bens"}
    assert entry.changes["conditions"]["old"] == as_json(ANAS)


def test_a_copy_gets_a_name_of_its_own(marketer_client: Client, anas: Segment) -> None:
    for _ in range(2):
        marketer_client.post(reverse("segments:duplicate", args=[anas.pk]))
    assert sorted(Segment.objects.values_list("name", flat=True)) == ["Anas", "Anas (copy 2)", "Anas (copy)"]
    assert all(one.conditions == as_json(ANAS) for one in Segment.objects.all())


def test_a_segment_in_use_is_not_deleted(marketer_client: Client, anas: Segment, used: list[int]) -> None:
    used.append(anas.pk)
    address = reverse("segments:delete", args=[anas.pk])
    assert "Spring sale" in marketer_client.get(address).content.decode()
    assert marketer_client.post(address).status_code == 409
    assert "Spring sale" in marketer_client.get(reverse("segments:list")).content.decode()
    used.clear()
    assert marketer_client.post(address).status_code == 302
    assert not Segment.objects.exists()
    assert AuditEntry.objects.get(action="deleted segment").object_label == "Anas"


def test_the_list_counts_apart_from_the_page(staff_client: Client, anas: Segment) -> None:
    page = staff_client.get(reverse("segments:list")).content.decode()
    assert reverse("segments:count", args=[anas.pk]) in page
    assert "First name is “Ana”" in page
    assert "Create segment" not in page
    assert ">1</span>" in staff_client.get(reverse("segments:count", args=[anas.pk])).content.decode()


def test_the_count_follows_what_is_complete(staff_client: Client, ana: Contact) -> None:
    address = reverse("segments:estimate") + "?prefix=c"
    half = sent(("0", row("contact.first_name", "is", value="Ana")), ("1", row("contact.phone", "is")))
    assert "<strong>1</strong> contact matches now" in staff_client.post(address, half).content.decode()
    nothing = sent(("0", row("", "")))
    assert "Complete a condition" in staff_client.post(address, nothing).content.decode()


def test_a_segment_whose_field_is_gone_says_so_and_can_be_mended(marketer_client: Client, ana: Contact) -> None:
    field = CustomField.objects.create(key="plan", label="Plan")
    asked = Group("all", (Condition("contact.field:plan", "is", "Pro"), ANAS.items[0]))
    segment = Segment.objects.create(name="Pros", conditions=as_json(asked))
    field.delete()
    assert "does not exist" in marketer_client.get(segment.get_absolute_url()).content.decode()
    assert "Needs attention" in marketer_client.get(reverse("segments:count", args=[segment.pk])).content.decode()
    assert marketer_client.get(reverse("segments:list")).status_code == 200
    page = marketer_client.get(reverse("segments:edit", args=[segment.pk])).content.decode()
    assert "A field that was deleted" in page
    assert 'value="Ana"' in page
    found = marketer_client.get(f"{reverse('contacts:list')}?segment={segment.pk}")
    assert "ana@example.com" not in text_of(found)
    assert "finds nobody until it is mended" in found.content.decode()


def test_a_segment_follows_a_tag_to_its_new_name(marketer_client: Client, ana: Contact) -> None:
    tag = Tag.objects.create(name="vip")
    ContactTag.objects.create(contact=ana, tag=tag)
    inner = Group("any", (Condition("contact.tag", "has", "vip"), Condition("contact.first_name", "is", "vip")))
    segment = Segment.objects.create(name="VIPs", conditions=as_json(Group("all", (inner,))))
    marketer_client.post(reverse("contacts:tag-rename", args=[tag.pk]), {"name": "gold"})
    segment.refresh_from_db()
    assert list(contacts_matching(segment.group)) == [ana]
    assert segment.conditions["items"][0]["items"][1]["value"] == "vip"


# --- The list of contacts ---


def test_the_list_of_contacts_is_filtered_by_a_segment(marketer_client: Client, anas: Segment) -> None:
    person("Ana2", is_test=True)
    address = f"{reverse('contacts:list')}?segment={anas.pk}"
    page = text_of(marketer_client.get(address))
    assert "1 contact<" in page
    assert "ben@example.com" not in page
    assert f'<option value="{anas.pk}" selected>Anas</option>' in page
    gone = text_of(marketer_client.get(f"{reverse('contacts:list')}?segment=99"))
    assert "This segment was deleted." in gone
    assert "ben@example.com" not in gone
    for odd in ("²", "9" * 19):
        assert "was deleted" in marketer_client.get(f"{reverse('contacts:list')}?segment={odd}").content.decode()


def test_a_segment_is_exported(marketer_client: Client, anas: Segment) -> None:
    answer = marketer_client.post(f"{reverse('contacts:export')}?segment={anas.pk}", {"format": "csv"})
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2
    assert "ana@example.com" in lines[1]
    assert AuditEntry.objects.get(action="exported contacts").changes["filter"] == {"new": f"segment={anas.pk}"}


def test_an_advanced_search_is_an_address_and_becomes_a_segment(marketer_client: Client, ana: Contact) -> None:
    """B038: finds by next payment date."""
    payment(ana, next_payment_date="2026-12-01T09:00:00Z")
    payment(Contact.objects.get(first_name="Ben"), 2, next_payment_date="2027-01-01T09:00:00Z")
    asked = row("recurring_payment.next_payment_date", "before", value="2026-12-24")
    data = {key.replace("c-", "search-", 1): value for key, value in sent(("0", asked)).items()}
    answer = marketer_client.post(reverse("segments:search"), {**data, "mode": "live"})
    address = answer.headers["Location"]
    page = text_of(marketer_client.get(address))
    assert "ana@example.com" in page
    assert "ben@example.com" not in page
    assert "Has a recurring payment whose next payment date is before Dec 24, 2026" in page
    query = parse_qs(urlsplit(address).query)
    assert query["mode"] == ["live"]
    begun = marketer_client.get(reverse("segments:create"), {"conditions": query["conditions"][0]}).content.decode()
    assert 'value="recurring_payment.next_payment_date" selected' in begun
    assert 'value="2026-12-24"' in begun
    exported = marketer_client.post(reverse("contacts:export") + "?" + urlsplit(address).query, {"format": "jsonl"})
    assert len(list(exported.streaming_content)) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", ["{", "[]", '{"match":"all","items":[{"field":"x"}]}', "\x00", "[" * 5000])
def test_conditions_that_cannot_be_read_find_nobody_and_say_so(staff_client: Client, ana: Contact, value: str) -> None:
    page = staff_client.get(reverse("contacts:list"), {"conditions": value})
    assert page.status_code == 200
    assert "The conditions in this address cannot be read" in page.content.decode()
    assert "ana@example.com" not in text_of(page)


def test_a_refused_search_stands_on_a_page_of_its_own(staff_client: Client) -> None:
    data = {key.replace("c-", "search-", 1): value for key, value in sent(("0", row("", ""))).items()}
    answer = staff_client.post(reverse("segments:search"), data)
    assert answer.status_code == 422
    assert "Choose a field." in answer.content.decode()


# --- Two people ---


def test_the_second_of_two_editors_hears_of_the_first_and_loses_nothing(anas: Segment, marketer_client: Client) -> None:
    """Saved again, the second one's words are what stands."""
    url = reverse("segments:edit", args=[anas.pk])
    seen = _seen(marketer_client.get(url).content.decode())
    first = marketer_client.post(url, form("First", NAMED, seen=seen))
    assert first.status_code == 302
    other = ("0", row("contact.first_name", "is", value="ben"))
    second = marketer_client.post(url, form("Second", other, seen=seen))
    page = second.content.decode()
    assert second.status_code == 422 and "Somebody else changed this meanwhile" in page
    assert 'value="Second"' in page and 'value="ben"' in page
    anas.refresh_from_db()
    assert anas.name == "First"
    assert marketer_client.post(url, form("Second", other, seen=_seen(page))).status_code == 302
    anas.refresh_from_db()
    assert anas.name == "Second"


def test_a_segment_is_held_for_the_save_and_not_while_it_is_counted(anas: Segment, marketer_client: Client) -> None:
    """Refused, its matches are counted; by then it is nobody's."""
    url = reverse("segments:edit", args=[anas.pk])
    with CaptureQueriesContext(connection) as asked:
        assert marketer_client.post(url, form("", NAMED)).status_code == 422
    said = [query["sql"] for query in asked]
    held = next(place for place, sql in enumerate(said) if "FOR NO KEY UPDATE" in sql)
    counted = next(place for place, sql in enumerate(said) if "COUNT(" in sql and "contacts_contact" in sql)
    assert [sql for sql in said[held:counted] if sql.startswith("RELEASE SAVEPOINT")]


def test_a_row_added_without_script_keeps_what_the_form_was_opened_with(anas: Segment, marketer_client: Client) -> None:
    url = reverse("segments:edit", args=[anas.pk])
    seen = _seen(marketer_client.get(url).content.decode())
    Segment.objects.get(pk=anas.pk).save()
    page = marketer_client.post(url, form("Mine", NAMED, seen=seen, count="1")).content.decode()
    assert _seen(page) == seen and "changed this meanwhile" not in page
    assert marketer_client.post(url, form("Mine", NAMED, seen=_seen(page))).status_code == 422


def _seen(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return found[1].replace("&#x2B;", "+")
