"""Segments in the browser: built group by group while the count follows, found again on the list of contacts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact, ContactTag, Tag
from segments.models import Segment
from tests.journeys.usable import assert_usable, look
from tests.recurring_payments.rows import payment
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BUILDER = "**/segments/builder/**"
OpenPage = Callable[..., Any]


@pytest.fixture
def people(transactional_db: None) -> dict[str, Contact]:
    """Ana pays soon, Ben later, Cem not at all; Ana and Cem are VIPs."""
    found = {}
    vip = Tag.objects.create(name="vip")
    for number, name in enumerate(("Ana", "Ben", "Cem")):
        address = f"{name.lower()}@example.com"
        found[name] = Contact.objects.create(first_name=name, email=address, email_key=address)
        if name != "Cem":
            due = timezone.now() + timedelta(days=3 + 40 * number)
            payment(found[name], number, next_payment_date=due)
        if name != "Ben":
            ContactTag.objects.create(contact=found[name], tag=vip)
    return found


def condition(page: Any, number: str) -> Any:
    return page.get_by_role("group", name=f"Condition {number}", exact=True)


def fill(page: Any, number: str, field: str, operator: str, **parts: str) -> None:
    """Choose field and comparison, then fill what is compared with: parts by label."""
    condition(page, number).get_by_label("Field", exact=True).select_option(field)
    condition(page, number).get_by_label("Comparison").wait_for()
    condition(page, number).get_by_label("Comparison").select_option(operator)
    for label, value in parts.items():
        place = condition(page, number).get_by_label(label.replace("_", " "), exact=True)
        place.wait_for()
        place.select_option(value) if label == "Unit" else place.fill(value)


def says(page: Any, sentence: str) -> None:
    """Spaces and lines of the page count as one space."""
    expect(page.locator("#segment-estimate")).to_contain_text(sentence)


@pytest.mark.parametrize("width", [1440, 390])
def test_a_segment_with_three_groups_is_built_while_the_count_follows(
    open_page: OpenPage, marketer: User, people: dict[str, Contact], width: int
) -> None:
    """B036, B038, A039"""
    page = open_page(marketer, reverse("segments:create"), viewport={"width": width, "height": 900})
    page.get_by_label("Name", exact=True).fill("Due soon")
    fill(page, "1", "contact.email", "ends_with", Value="example.com")
    says(page, "3 contacts match now")
    page.locator("#conditions-add-recurring").click()
    expect(page.locator("#conditions-1-0-field")).to_be_focused()
    fill(page, "2.1", "recurring_payment.next_payment_date", "within_next", How_many="7", Unit="days")
    says(page, "contact matches now")
    page.locator("#conditions-add-group").click()
    fill(page, "3.1", "contact.tag", "has", Value="vip")
    page.locator("#conditions-2-add-group").click()
    fill(page, "3.2.1", "contact.first_name", "is_not", Value="Ben")
    says(page, "contact matches now")
    look(page, f"segment-{width}")
    # What is refused stays as it was typed, with the mistake beside it.
    condition(page, "3.2.1").get_by_label("Value", exact=True).fill("")
    page.get_by_role("button", name="Save segment").click()
    page.get_by_text("Enter what to compare with.").wait_for()
    condition(page, "3.2.1").get_by_label("Value", exact=True).fill("Ben")
    page.get_by_role("button", name="Save segment").click()
    page.get_by_role("heading", level=1, name="Due soon").wait_for()
    contacts = page.locator("#segment-contacts")
    expect(contacts.get_by_role("link", name="Ana")).to_have_count(1)
    expect(contacts.get_by_role("link", name="Ben")).to_have_count(0)
    page.get_by_role("link", name="Show in contacts").click()
    page.locator("#contacts-table").get_by_text("1 contact", exact=True).wait_for()
    segment = Segment.objects.get()
    assert [len(segment.conditions["items"]), segment.conditions["items"][2]["items"][1]["match"]] == [3, "all"]
    page.goto(reverse("segments:list"))
    page.locator(".segment-count", has_text="1").wait_for()


def test_enter_in_a_value_saves_and_removes_nothing(
    open_page: OpenPage, marketer: User, people: dict[str, Contact]
) -> None:
    page = open_page(marketer, reverse("segments:create"))
    page.get_by_label("Name", exact=True).fill("Anas")
    fill(page, "1", "contact.first_name", "is", Value="Ana")
    condition(page, "1").get_by_label("Value", exact=True).press("Enter")
    page.get_by_role("heading", level=1, name="Anas").wait_for()
    assert Segment.objects.get().conditions["items"][0]["value"] == "Ana"


@contextmanager
def answers_held(page: Any) -> Iterator[None]:
    """What is asked of the builder within is answered at the end, as from far away."""
    held: list[Any] = []
    answering: list[bool] = []
    page.route(BUILDER, lambda route: route.continue_() if answering else held.append(route))
    yield
    answering.append(True)
    for route in held:
        route.continue_()


def test_what_is_written_while_the_builder_answers_stays(
    open_page: OpenPage, marketer: User, people: dict[str, Contact]
) -> None:
    """B036: what was chosen, added and typed since the question is neither lost nor undone by its answer."""
    page = open_page(marketer, reverse("segments:create"))
    fill(page, "1", "contact.first_name", "is", Value="Be")
    first, second = condition(page, "1"), condition(page, "2")
    with answers_held(page):
        page.locator("#conditions-add").click()
        first.get_by_label("Value", exact=True).fill("Ana")
        first.get_by_label("Comparison").select_option("starts_with")
        page.get_by_label("Name", exact=True).fill("Anas")
    second.wait_for()
    fill(page, "2", "contact.tag", "has", Value="vip")
    with answers_held(page):
        page.get_by_role("button", name="Remove condition 1").click()
        second.get_by_label("Value", exact=True).fill("VIP")
    second.wait_for(state="detached")
    expect(first.get_by_label("Value", exact=True)).to_have_value("VIP")
    expect(first.get_by_label("Comparison")).to_have_value("has")
    with answers_held(page):
        first.get_by_label("Field", exact=True).select_option("contact.first_name")
        page.locator("#conditions-add").click()
    second.wait_for()
    with answers_held(page):
        page.get_by_role("button", name="Remove condition 2").dblclick()
        first.get_by_label("Value", exact=True).fill("Cem")
        first.get_by_label("Value", exact=True).press("Enter")
    page.get_by_role("heading", level=1, name="Anas").wait_for()
    assert [one["value"] for one in Segment.objects.get().conditions["items"]] == ["Cem"]


def test_a_count_that_takes_long_keeps_nobody_from_saving(
    open_page: OpenPage, marketer: User, people: dict[str, Contact]
) -> None:
    """B036: how many match is drawn inside the form, and is nothing the form waits for."""
    page = open_page(marketer, reverse("segments:create"))
    fill(page, "1", "contact.first_name", "is", Value="Ana")
    unanswered: list[Any] = []
    estimate = re.compile(re.escape(reverse("segments:estimate")))
    page.route(estimate, lambda route: unanswered.append(route))
    with page.expect_request(estimate):
        page.get_by_label("Name", exact=True).fill("Anas")
    page.get_by_role("button", name="Save segment").click()
    page.get_by_role("heading", level=1, name="Anas").wait_for()
    assert unanswered and Segment.objects.get().name == "Anas"


def test_a_row_that_moves_up_shows_what_it_says(
    open_page: OpenPage, marketer: User, people: dict[str, Contact]
) -> None:
    """Whatever was chosen and typed in the row before: the page shows what would be saved."""
    page = open_page(marketer, reverse("segments:create"))
    page.locator("#conditions-add").click()
    condition(page, "2").wait_for()
    fill(page, "1", "contact.phone", "is_not_empty")
    fill(page, "1", "contact.first_name", "starts_with", Value="An")
    fill(page, "2", "contact.phone", "is")
    page.get_by_role("button", name="Remove condition 1").click()
    condition(page, "2").wait_for(state="detached")
    row = condition(page, "1")
    for label, value in {"Field": "contact.phone", "Comparison": "is", "Value": ""}.items():
        expect(row.get_by_label(label, exact=True)).to_have_value(value)


def test_rows_are_removed_and_the_others_stay(open_page: OpenPage, marketer: User, people: dict[str, Contact]) -> None:
    page = open_page(marketer, reverse("segments:create"))
    fill(page, "1", "contact.first_name", "is", Value="Ana")
    page.locator("#conditions-add").click()
    fill(page, "2", "contact.phone", "is_empty")
    page.get_by_role("button", name="Remove condition 1").click()
    condition(page, "2").wait_for(state="detached")
    expect(condition(page, "1").get_by_label("Field", exact=True)).to_have_value("contact.phone")
    expect(condition(page, "1").get_by_label("Comparison")).to_have_value("is_empty")


def test_an_advanced_search_finds_by_next_payment_date(
    open_page: OpenPage, marketer: User, people: dict[str, Contact]
) -> None:
    """B038"""
    page = open_page(marketer, reverse("contacts:list"))
    page.get_by_text("Advanced search").click()
    fill(page, "1", "recurring_payment.next_payment_date", "more_than_ahead", How_many="4", Unit="weeks")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("Has a recurring payment whose next payment date is more than 4 weeks from now").wait_for()
    table = page.locator("#contacts-table")
    expect(table.get_by_role("link", name="Ben")).to_have_count(1)
    expect(table.get_by_role("link", name="Ana")).to_have_count(0)
    page.get_by_label("Tag", exact=True).select_option("vip")
    table.get_by_text("No contact found").wait_for()
    page.get_by_text("Advanced search").click()
    condition(page, "1").get_by_label("How many", exact=True).fill("")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("Enter a number.").wait_for()
    condition(page, "1").get_by_label("How many", exact=True).fill("5")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("is more than 5 weeks from now").wait_for()
    expect(page).to_have_url(re.compile("tag=vip"))
    page.get_by_text("Advanced search").click()
    look(page, "search")
    page.get_by_role("link", name="Save as segment").click()
    page.get_by_label("Name", exact=True).fill("Later")
    page.get_by_role("button", name="Save segment").click()
    page.get_by_role("heading", level=1, name="Later").wait_for()


def test_all_of_it_works_without_javascript(open_page: OpenPage, marketer: User, people: dict[str, Contact]) -> None:
    page = open_page(marketer, reverse("segments:create"), javascript=False)
    page.get_by_label("Name", exact=True).fill("Due soon")
    condition(page, "1").get_by_label("Field", exact=True).select_option("contact.first_name")
    condition(page, "1").get_by_role("button", name="Show inputs").click()
    condition(page, "1").get_by_label("Value", exact=True).fill("Ana")
    page.locator("#conditions-add-group").click()
    condition(page, "2.1").get_by_label("Field", exact=True).select_option("recurring_payment.normalized_status")
    condition(page, "2.1").get_by_role("button", name="Show inputs").click()
    condition(page, "2.1").get_by_label("Value", exact=True).select_option("ACTIVE")
    page.get_by_role("button", name="Count again").click()
    says(page, "1 contact matches now")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Due soon")
    page.get_by_role("button", name="Save segment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Due soon")
    page.goto(reverse("contacts:list"))
    page.get_by_text("Advanced search").click()
    condition(page, "1").get_by_label("Field", exact=True).select_option("contact.tag")
    condition(page, "1").get_by_role("button", name="Show inputs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Advanced search")
    condition(page, "1").get_by_label("Value", exact=True).fill("vip")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#contacts-table tbody tr")).to_have_count(2)


def test_segments_can_be_used_by_everybody(open_page: OpenPage, marketer: User, people: dict[str, Contact]) -> None:
    span = {"count": 7, "unit": "days"}
    between = {"from": "1.00", "to": "99.00", "currency": "EUR"}
    soon = {"field": "recurring_payment.next_payment_date", "operator": "within_next", "value": span}
    block = {"about": "recurring_payment", "quantifier": "any", "match": "all", "conditions": [soon]}
    total = {"field": "contact.paid_total", "operator": "between", "value": between}
    inner = {"match": "any", "items": [total, {"field": "contact.tag", "operator": "has", "value": "vip"}]}
    tree = {"match": "all", "items": [block, {"match": "any", "items": [inner, inner]}]}
    segment = Segment.objects.create(name="W" * 140, conditions=tree)
    Segment.objects.create(name="Broken", conditions={"match": "all", "items": [{"field": "x"}]})
    page = open_page(marketer, reverse("segments:list"))
    pages = {
        "segments": reverse("segments:list"),
        "segment-detail": segment.get_absolute_url(),
        "segment-edit": reverse("segments:edit", args=[segment.pk]),
        "segment-delete": reverse("segments:delete", args=[segment.pk]),
        "segment-search": reverse("segments:search"),
        "segment-contacts": f"{reverse('contacts:list')}?segment={segment.pk}",
    }
    for name, path in pages.items():
        page.goto(path)
        assert_usable(page, name)
