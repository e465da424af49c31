"""Two contacts merged in the browser and parted again, with JavaScript and without; usable by everybody."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contacts import merging
from contacts.models import Contact
from tests.contacts.conftest import record, sync
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OpenPage = Callable[..., Any]


@pytest.fixture
def people(transactional_db: None) -> list[Contact]:
    """One person twice, and somebody with a very long name."""
    sync(
        record(
            1, customer="cus_1", email="ana@example.com", first_name="Ana María", last_name="López", phone="+34 600"
        ),
        record(
            2, customer="cus_2", email="ana@work.example", at=60, first_name="Ana", last_name="Lopez", phone="+34 91"
        ),
        record(3, customer="cus_3", email="w@example.com", first_name="W" * 200 + "😀", last_name="عمر"),
    )
    return list(Contact.objects.order_by("pk"))


def look(page: Any, name: str) -> None:
    """Keep a picture for people who want to look: PICTURES=folder bin/test tests/journeys."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_marketer_merges_two_contacts_and_undoes_it(
    open_page: OpenPage, marketer: User, people: list[Contact], javascript: bool
) -> None:
    kept, gone, _ = people
    page = open_page(marketer, kept.get_absolute_url(), javascript=javascript)
    if javascript:
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("link", name="Merge contact").click()
        page.get_by_label("Search the other contact").press_sequentially("work.exam")
    else:
        page.goto(f"{kept.get_absolute_url()}merge/")
        page.get_by_label("Search the other contact").fill("work.exam")
        page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Compare with Ana Lopez").click()
    page.get_by_role("heading", name="Compare and merge").wait_for()
    expect(page.get_by_role("row", name="Phone").locator("td").last).to_have_text(re.compile(r"\+34 91\s*$"))
    page.get_by_role("button", name="Merge contacts").click()
    page.get_by_text("Contacts merged").wait_for()
    assert Contact.objects.live().count() == 2
    page.goto(gone.get_absolute_url())
    page.get_by_text("was merged into this contact").wait_for()
    page.get_by_role("button", name="Undo merge").first.click()
    page.get_by_text("is a contact of its own again").wait_for()
    gone.refresh_from_db()
    assert (gone.merged_into_id, gone.email_key) == (None, "ana@work.example")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_merging_can_be_used_by_everybody(
    open_page: OpenPage, marketer: User, people: list[Contact], theme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    kept, gone, long = people
    own = kept.get_absolute_url()
    merging.merge(kept.pk, gone.pk, marketer)
    page = open_page(marketer, own, color_scheme=theme, viewport={"width": width, "height": 900})
    for name, path in {
        "merged": own,
        "merge-choose": f"{own}merge/",
        "merge-found": f"{own}merge/?q=w",
        "merge-none": f"{own}merge/?q=nobody",
        "merge-compare": f"{own}merge/{long.pk}/",
        "merge-refused": f"{own}merge/{kept.pk}/",
    }.items():
        page.goto(path)
        look(page, f"{name}-{width}-{theme}")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    page.set_viewport_size({"width": 320, "height": 700})
    for path in (own, f"{own}merge/?q=w", f"{own}merge/{long.pk}/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways at 320"


def test_the_menu_can_be_used_by_everybody(open_page: OpenPage, marketer: User, people: list[Contact]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(marketer, people[0].get_absolute_url(), viewport={"width": 390, "height": 900})
    page.get_by_role("button", name="More actions").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Merge contact").wait_for()
    look(page, "merge-menu-390")
    assert Axe().run(page, options=RULES).violations_count == 0
