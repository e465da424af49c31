"""Recurring payments in the browser: widget, drawer and list."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact
from recurring_payments.field_order import ORDER
from recurring_payments.fields import BY_KEY
from tests.recurring_payments.rows import payment, tell
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OpenPage = Callable[..., Any]


@pytest.fixture
def ana(transactional_db: None) -> Contact:
    """A contact with payments of all kinds."""
    ana = Contact.objects.create(
        email="ana.lopez@brightside.example",
        email_key="ana.lopez@brightside.example",
        first_name="Ana María",
        last_name="López García",
    )
    now = timezone.now()
    failed = {"normalized_status": "PAYMENT_FAILED", "store_status": "past_due", "last_payment_status": "DECLINED"}
    payment(ana, 1, start_date=now - timedelta(days=10), store_recurring_payment_id="sub_1QKd8eFzR4tXv0hQe2Wm9c")
    payment(ana, 2, name="Extra seats × 3", payment_amount=1200, start_date=now - timedelta(days=20), **failed)
    payment(ana, 3, name="W" * 180, currency="JPY", payment_amount=123456789, billing_interval_count=6, is_test=True)
    payment(ana, 4, name="Old plan", normalized_status="CANCELLED", next_payment_date=None)
    payment(None, 5, name="Trial", is_trial=True, email="waiting@example.com")
    payment(ana, 6, name="عربى plan", normalized_status="PAUSED", notes=["Long " * 60])
    payment(ana, 7, name="Seven", normalized_status="EXPIRED", payment_amount=None)
    return ana


def look(page: Any, name: str, *, full_page: bool = True) -> None:
    """Keep a picture for people who want to look: PICTURES=folder bin/test tests/journeys."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=full_page)


def order() -> list[str]:
    return [field.key for field in ORDER.ordered()]


# --- Widget and drawer (B025 to B030) ---


def test_details_open_at_the_right_and_close_by_key_and_by_x(open_page: OpenPage, staff: User, ana: Contact) -> None:
    page = open_page(staff, ana.get_absolute_url(), reduced_motion="reduce")
    widget = page.get_by_role("region", name="Recurring payments")
    for place, key in enumerate(order()[:5]):
        expect(widget.locator(".payments").first.locator("dt").nth(place)).to_have_text(str(BY_KEY[key].label))
    opener = widget.get_by_role("link", name="Details of Pro plan")
    opener.click()
    drawer = page.get_by_role("dialog", name="Pro plan")
    drawer.wait_for()
    box = drawer.bounding_box()
    assert (round(box["width"]), round(box["x"] + box["width"])) == (440, 1432)
    folded = drawer.get_by_text("empty fields")
    expect(drawer.get_by_text("Shipping address line 3")).to_be_hidden()
    folded.click()
    expect(drawer.get_by_text("Shipping address line 3")).to_be_visible()
    expect(drawer.locator("dt")).to_have_count(len(BY_KEY))
    expect(drawer.get_by_role("link", name="Change field order")).to_have_count(0)
    page.keyboard.press("Escape")
    drawer.wait_for(state="detached")
    expect(opener).to_be_focused()
    opener.click()
    drawer.get_by_role("button", name="Close").click()
    drawer.wait_for(state="detached")


@pytest.mark.parametrize("width", [600, 390])
def test_in_a_small_window_details_stand_behind_three_dots(
    open_page: OpenPage, staff: User, ana: Contact, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = open_page(staff, ana.get_absolute_url(), viewport=size, reduced_motion="reduce")
    widget = page.get_by_role("region", name="Recurring payments")
    expect(widget.get_by_role("link", name="Details of Pro plan")).to_be_hidden()
    widget.get_by_role("button", name="Actions for Pro plan").click()
    look(page, f"menu-{width}", full_page=False)
    widget.get_by_role("link", name="Details", exact=True).filter(visible=True).click()
    drawer = page.get_by_role("dialog", name="Pro plan")
    drawer.wait_for()
    box = drawer.bounding_box()
    assert (round(box["width"]), round(box["y"] + box["height"])) == (width, 800)
    look(page, f"sheet-{width}", full_page=False)
    page.keyboard.press("Escape")
    drawer.wait_for(state="detached")
    expect(widget.get_by_role("button", name="Actions for Pro plan")).to_be_focused()


@pytest.mark.parametrize("width", [1440, 390])
def test_details_work_without_javascript(open_page: OpenPage, marketer: User, ana: Contact, width: int) -> None:
    page = open_page(marketer, ana.get_absolute_url(), javascript=False, viewport={"width": width, "height": 900})
    if width == 390:
        page.get_by_role("button", name="Actions for Pro plan").click()
        page.get_by_role("link", name="Details", exact=True).filter(visible=True).click()
    else:
        page.get_by_role("link", name="Details of Pro plan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pro plan")
    assert page.get_by_role("link", name="Open in Stripe").get_attribute("href").endswith("sub_1QKd8eFzR4tXv0hQe2Wm9c")
    page.get_by_text("empty fields").click()
    expect(page.get_by_text("Shipping address line 3")).to_be_visible()
    page.get_by_role("link", name="Change field order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recurring payment fields")


@pytest.mark.parametrize("width", [1440, 390])
def test_a_line_of_the_timeline_opens_what_it_is_about(
    open_page: OpenPage, staff: User, ana: Contact, width: int
) -> None:
    """As a drawer over the page, and as a page of its own without JavaScript."""
    row = ana.recurring_payments.get(name="Pro plan")
    tell(row, {"payment_amount": (2900, 4900), "mrr_amount": (2900, 4900)})
    line = "Pro plan: price went from €29.00 to €49.00"
    size = {"width": width, "height": 900}
    page = open_page(staff, ana.get_absolute_url(), viewport=size, reduced_motion="reduce")
    activity = page.get_by_role("region", name="Activity")
    activity.get_by_text("2 fields").click()
    cells = activity.get_by_role("row", name="Payment amount").get_by_role("cell")
    expect(cells).to_have_text(["Payment amount", "€29.00", "€49.00"])
    look(page, f"timeline-{width}", full_page=False)
    activity.get_by_role("link", name=line).click()
    page.get_by_role("dialog", name="Pro plan").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Pro plan").wait_for(state="detached")
    expect(activity.get_by_role("link", name=line)).to_be_focused()
    plain = open_page(staff, ana.get_absolute_url(), javascript=False, viewport=size)
    plain.get_by_role("link", name=line).click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Pro plan")


# --- List ---


def test_the_list_is_filtered_and_opens_details(open_page: OpenPage, marketer: User, ana: Contact) -> None:
    page = open_page(marketer, "/recurring-payments/", reduced_motion="reduce")
    table = page.locator("#payments-table")
    assert page.get_by_role("navigation").get_by_role("link", name="Recurring payments").get_attribute("aria-current")
    page.get_by_label("Status", exact=True).select_option("past_due")
    table.get_by_text("1 recurring payment", exact=True).wait_for()
    expect(page.locator("#live")).to_have_text("1 recurring payment")
    table.get_by_role("link", name="Details of Extra seats × 3").click()
    page.get_by_role("dialog", name="Extra seats × 3").wait_for()
    page.keyboard.press("Escape")
    table.get_by_role("link", name="Ana María López García").click()
    page.wait_for_url("**" + ana.get_absolute_url())


def test_the_list_works_without_javascript(open_page: OpenPage, staff: User, ana: Contact) -> None:
    page = open_page(staff, "/recurring-payments/", javascript=False)
    page.get_by_text("More filters").click()
    page.get_by_label("Currency", exact=True).select_option("JPY")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**currency=JPY**")
    expect(page.locator("#payments-table tbody tr")).to_have_count(1)
    expect(page.get_by_role("button", name="Export CSV")).to_have_count(0)


# --- Everybody ---


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_recurring_payments_can_be_used_by_everybody(
    open_page: OpenPage, marketer: User, ana: Contact, theme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    size = {"width": width, "height": 900}
    page = open_page(marketer, "/", color_scheme=theme, viewport=size, reduced_motion="reduce")
    row = ana.recurring_payments.get(name="Pro plan")
    pages = {
        "record": ana.get_absolute_url(),
        "payments": reverse("recurring_payments:list"),
        "payments-none": reverse("recurring_payments:list") + "?status=pending&least=1",
        "payment": row.get_absolute_url(),
        "payment-long": ana.recurring_payments.get(currency="JPY").get_absolute_url(),
    }
    for name, path in pages.items():
        page.goto(path)
        look(page, f"{name}-{width}-{theme}")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    page.goto(ana.get_absolute_url())
    if width == 390:
        page.get_by_role("button", name="Actions for Pro plan").click()
    page.locator(f'a[href="{row.get_absolute_url()}"]').filter(visible=True).first.click()
    page.locator("dialog.drawer[open]").wait_for()
    look(page, f"drawer-{width}-{theme}", full_page=False)
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 320, "height": 700})
    for path in pages.values():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways at 320"
