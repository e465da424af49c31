"""Contacts in the browser: found, edited and tagged, with JavaScript and without; usable by everybody."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from common.origin import Origin
from contacts import editing
from contacts.models import Activity, Contact, ContactList, CustomField, Kind, Tag
from tests.contacts.conftest import record, sync
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OpenPage = Callable[..., Any]
NAMES = ("Ana María López García", "Jonas Weber", "Yuki 田中", "عمر حسن", "Zoë O’Brien", "W" * 200 + "😀")


@pytest.fixture
def people(transactional_db: None, marketer: User) -> list[Contact]:
    """Six contacts with names of all kinds; the first has everything a page can show."""
    CustomField.objects.create(key="plan", label="Plan", position=1)
    CustomField.objects.create(key="seats", label="Seats", type="number", position=2)
    CustomField.objects.create(key="renews", label="Renews on", type="date", position=3)
    CustomField.objects.create(key="size", label="Company size", type="choice", choices=["1–9", "10–99"], position=4)
    for number, name in enumerate(NAMES):
        first, _, last = name.partition(" ")
        tags = ("stripe-integration", f"stripe-integration-customer.{'created' if number % 2 else 'updated'}")
        values = {"first_name": first, "last_name": last, "phone": f"+49 30 {number}" * (number % 2)}
        about = {"customer": f"cus_R4tXv0hQe2Wm9{number}", "email": f"person{number}@example.com", "tags": tags}
        sync(record(number, **about, **values))
    found = list(Contact.objects.order_by("pk"))
    editing.save(found[0].pk, 1, {"phone": "+34 600 100 200", "field:plan": "Pro", "field:seats": 12}, marketer)
    editing.add_tag(found[0], "vip", marketer)
    ContactList.objects.create(name="Readers").contacts.add(found[0])
    ContactList.objects.create(name="Beta testers", description="Asked to see new things first")
    for number in range(25):
        Activity.objects.create(
            contact=found[0],
            kind=Kind.SOURCE_EVENT,
            occurred_at=timezone.now() - timedelta(hours=7 * number + 1),
            summary=f"Invoice paid: {number + 10}.00 EUR",
            data={"event_type": "invoice.paid"},
            origin=Origin.WEBHOOK,
            dedupe=f"seen {number}",
        )
    return found


def look(page: Any, name: str) -> None:
    """Keep a picture for people who want to look: PICTURES=folder bin/test tests/journeys."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_searching_and_filtering_swap_the_table_and_stand_in_the_address(
    open_page: OpenPage, marketer: User, people: list[Contact]
) -> None:
    page = open_page(marketer, "/contacts/")
    table = page.locator("#contacts-table")
    page.get_by_label("Search in names, addresses and phone numbers").press_sequentially("weber")
    table.get_by_text("1 contact", exact=True).wait_for()
    expect(table.get_by_role("link", name="Jonas Weber")).to_have_count(1)
    page.wait_for_url(re.compile(r"q=weber"))
    page.get_by_label("Tag", exact=True).select_option("vip")
    table.get_by_text("No contact found").wait_for()
    expect(page.locator("#live")).to_have_text("0 contacts")
    table.get_by_role("link", name="Clear", exact=True).click()
    table.get_by_text("6 contacts").wait_for()


def test_searching_works_without_javascript(open_page: OpenPage, staff: User, people: list[Contact]) -> None:
    page = open_page(staff, "/contacts/", javascript=False)
    page.get_by_label("Search in names, addresses and phone numbers").fill("weber")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Jonas Weber").click()
    page.wait_for_url("**" + people[1].get_absolute_url())
    expect(page.get_by_role("heading", level=1)).to_have_text("Jonas Weber")
    expect(page.get_by_role("link", name="Edit contact")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_marketer_edits_a_contact(
    open_page: OpenPage, marketer: User, people: list[Contact], javascript: bool
) -> None:
    page = open_page(marketer, people[1].get_absolute_url(), javascript=javascript)
    page.get_by_role("link", name="Edit contact").click()
    form = page.locator("#contact-form")
    form.get_by_label("Email address").fill("person2@example.com")
    form.get_by_role("button", name="Save contact").click()
    form.get_by_text("This address belongs to").wait_for()
    form.get_by_label("Email address").fill("jonas@example.com")
    form.get_by_label("Seats").fill("7")
    form.get_by_label("Renews on").fill("2026-12-24")
    form.get_by_role("button", name="Save contact").click()
    page.get_by_text("Contact saved").wait_for()
    people[1].refresh_from_db()
    assert people[1].email_key == "jonas@example.com"
    assert people[1].custom == {"seats": 7, "renews": "2026-12-24"}
    # Among the details, and among what was changed.
    expect(page.get_by_text("Dec 24, 2026")).to_have_count(2)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_refused_form_is_told_in_the_title_while_it_stands(
    open_page: OpenPage, marketer: User, people: list[Contact], javascript: bool
) -> None:
    page = open_page(marketer, people[1].get_absolute_url(), javascript=javascript)
    was = page.title()
    page.get_by_role("link", name="Edit contact").click()
    page.locator("#contact-form").get_by_label("Email address").fill("person2@example.com")
    page.get_by_role("button", name="Save contact").click()
    expect(page).to_have_title(re.compile("^Error: "))
    if javascript:
        page.keyboard.press("Escape")
    else:
        page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_title(was)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_marketer_tags_a_contact_and_takes_the_tag_off(
    open_page: OpenPage, marketer: User, people: list[Contact], javascript: bool
) -> None:
    page = open_page(marketer, people[1].get_absolute_url(), javascript=javascript)
    page.get_by_role("link", name="Add tag").click()
    page.get_by_label("Tag", exact=True).fill("guest")
    page.get_by_role("button", name="Add tag").click()
    page.get_by_role("button", name="Remove tag guest").click()
    page.get_by_text("Tag “guest” removed").wait_for()
    assert not Tag.objects.filter(contacts=people[1], name="guest").exists()


def test_older_activities_are_loaded_and_one_kind_is_chosen(
    open_page: OpenPage, staff: User, people: list[Contact]
) -> None:
    page = open_page(staff, people[0].get_absolute_url())
    items = page.locator("#activity .timeline > li")
    expect(items).to_have_count(20)
    page.get_by_role("link", name="Load older").click()
    page.locator("#activity ol").nth(1).wait_for()
    expect(items).to_have_count(Activity.objects.filter(contact=people[0]).count())
    page.get_by_label("Show", exact=True).select_option("tag")
    expect(items).to_have_count(3)


def test_a_value_says_why_it_is_shown(open_page: OpenPage, staff: User, people: list[Contact]) -> None:
    page = open_page(staff, people[0].get_absolute_url())
    page.get_by_role("button", name="Why this value of Phone").click()
    expect(page.locator("#why-phone")).to_be_visible()
    expect(page.locator("#why-phone")).to_contain_text("From Mia Marketer")


def pages(people: list[Contact]) -> dict[str, str]:
    first, field, vip = people[0].get_absolute_url(), CustomField.objects.first(), Tag.objects.get(name="vip")
    assert field
    return {
        "list": "/contacts/",
        "nothing-found": "/contacts/?q=nobody",
        "record": first,
        "record-long": people[-1].get_absolute_url(),
        "activity": f"{first}activity/",
        "edit": f"{first}edit/",
        "create": "/contacts/new/",
        "add-tag": f"{first}tags/add/",
        "join-list": f"{first}lists/join/",
        "fields": "/settings/fields/",
        "field-create": "/settings/fields/new/",
        "field-delete": f"/settings/fields/{field.pk}/delete/",
        "tags": "/settings/tags/",
        "tag-rename": f"/settings/tags/{vip.pk}/",
        "lists": "/settings/lists/",
    }


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contacts_can_be_used_by_everybody(
    open_page: OpenPage, marketer: User, people: list[Contact], theme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(marketer, "/contacts/", color_scheme=theme, viewport={"width": width, "height": 900})
    for name, path in pages(people).items():
        page.goto(path)
        look(page, f"{name}-{width}-{theme}")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/contacts/", people[-1].get_absolute_url(), people[0].get_absolute_url()):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways at 320"


def test_a_long_tag_ends_in_dots_on_a_phone(open_page: OpenPage, marketer: User, people: list[Contact]) -> None:
    people[0].tags.set([Tag.objects.create(name="a-tag-of-a-summer-event-" * 6)])
    page = open_page(marketer, "/contacts/?q=person0", viewport={"width": 390, "height": 900})
    tag, card = (page.locator(f"#contacts-table {part}").bounding_box() for part in (".tag", ".card"))
    assert tag["x"] + tag["width"] < card["x"] + card["width"]
    assert page.locator("#contacts-table .tag").evaluate("tag => tag.scrollWidth > tag.clientWidth")


@pytest.mark.parametrize("width", [1440, 390])
def test_the_drawer_and_the_reasons_can_be_used_by_everybody(
    open_page: OpenPage, marketer: User, people: list[Contact], width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    size = {"width": width, "height": 900}
    page = open_page(marketer, people[0].get_absolute_url(), viewport=size, reduced_motion="reduce")
    page.get_by_role("button", name="Why this value of Phone").click()
    look(page, f"why-{width}")
    assert Axe().run(page, options=RULES).violations_count == 0
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Edit contact").click()
    page.locator("dialog.drawer[open]").wait_for()
    look(page, f"drawer-{width}")
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("Escape")
    page.locator("dialog.drawer").wait_for(state="detached")
    expect(page.get_by_role("link", name="Edit contact")).to_be_focused()
