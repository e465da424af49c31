"""Orders in the browser: on the contact, in the drawer and in the list, with JavaScript and without; usable by all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contacts.models import Contact
from orders.models import Order
from orders.records import Item
from tests.contacts.conftest import record, sync
from tests.orders.conftest import bought, order_record
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OpenPage = Callable[..., Any]
LONG = "Handmade ceramic mug with a very long name " * 8


@pytest.fixture
def ana(transactional_db: None) -> Contact:
    """A contact with an order of each status, a long one among them, and orders of nobody."""
    sync(record(1, first_name="Ana María", last_name="López García"))
    ana = Contact.objects.get()
    day = 86_400
    items = (Item("2 × Pro plan (at €20.00 / month)", "price_pro", 2, 4000), Item("Setup", "", 1, 900))
    references = ("checkout_session:cs_" + "a1" * 30, "invoice:in_1", "payment_intent:pi_1", "charge:ch_1")
    about: dict[str, Any] = {"contact": ana.pk, "url": "https://invoice.example/1"}
    bought(
        order_record(
            1, at=9 * day, references=references, items=items, refunded=900, status="partially_refunded", **about
        ),
        order_record(
            2, at=8 * day, description="Mug", currency="JPY", total=5000, items=(Item("Mug", "MUG", 1, 5000),), **about
        ),
        order_record(3, at=7 * day, status="pending", paid_at=None, discount=500, shipping=490, **about),
        order_record(4, at=6 * day, status="failed", description=LONG, items=(Item(LONG, "", 1, 4900),), **about),
        order_record(5, at=5 * day, status="disputed", **about),
        order_record(6, at=4 * day, status="refunded", refunded=4900, **about),
        order_record(7, at=3 * day, status="cancelled", paid_at=None, **about),
        order_record(8, at=2 * day, is_test=True, email="guest@example.com", currency="USD", total=123_456_789),
    )
    return ana


def look(page: Any, name: str) -> None:
    """Keep a picture for people who want to look: PICTURES=folder bin/test tests/journeys."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_an_order_opens_in_a_drawer_over_the_contact(open_page: OpenPage, staff: User, ana: Contact) -> None:
    page = open_page(staff, ana.get_absolute_url(), reduced_motion="reduce")
    card = page.locator("section", has=page.get_by_role("heading", name="Orders"))
    opener = card.get_by_role("link", name="Pro plan").first
    opener.click()
    drawer = page.locator("dialog.drawer[open]")
    drawer.get_by_text("2 × Pro plan (at €20.00 / month)", exact=True).wait_for()
    assert drawer.get_by_role("link", name="Open in Stripe").get_attribute("href")
    page.keyboard.press("Escape")
    page.locator("dialog.drawer").wait_for(state="detached")
    expect(opener).to_be_focused()
    card.get_by_role("link", name="All 7 orders").click()
    page.get_by_text("7 orders", exact=True).wait_for()


def test_an_order_has_a_page_without_javascript(open_page: OpenPage, staff: User, ana: Contact) -> None:
    page = open_page(staff, "/orders/", javascript=False)
    page.get_by_label("Search in product names").fill("mug")
    page.get_by_role("button", name="Filter").click()
    page.get_by_text("2 orders", exact=True).wait_for()
    page.get_by_role("link", name="Details of order NW-0002").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mug")
    page.locator("main").get_by_role("link", name="Ana María López García").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana María López García")


def test_filters_swap_the_table_and_stand_in_the_address(open_page: OpenPage, staff: User, ana: Contact) -> None:
    page = open_page(staff, "/orders/")
    table = page.locator("#orders-table")
    page.get_by_label("Status", exact=True).select_option("disputed")
    table.get_by_text("1 order", exact=True).wait_for()
    page.wait_for_url(re.compile(r"status=disputed"))
    expect(page.locator("#live")).to_have_text("1 order")
    table.get_by_role("link", name="Clear", exact=True).click()
    table.get_by_text("8 orders", exact=True).wait_for()
    page.get_by_text("More filters").click()
    page.get_by_label("Largest total").fill("60")
    table.get_by_text("Choose a currency to filter by total.").wait_for()
    page.get_by_label("Currency", exact=True).select_option("EUR")
    table.get_by_text("6 orders", exact=True).wait_for()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_orders_can_be_used_by_everybody(
    open_page: OpenPage, marketer: User, ana: Contact, theme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    size = {"width": width, "height": 900}
    page = open_page(marketer, "/orders/", color_scheme=theme, viewport=size, reduced_motion="reduce")
    orders = {order.external_id: order.get_absolute_url() for order in Order.objects.all()}
    paths = {
        "list": "/orders/",
        "filtered": "/orders/?status=paid&currency=EUR&least=5",
        "nothing": "/orders/?status=failed&product=none",
        "detail": orders["in_1"],
        "detail-long": orders["in_4"],
        "contact": ana.get_absolute_url(),
    }
    for name, path in paths.items():
        page.goto(path)
        look(page, f"orders-{name}-{width}-{theme}")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    page.locator("#orders-heading").wait_for()
    page.get_by_role("link", name="Pro plan").first.click()
    page.locator("dialog.drawer[open]").wait_for()
    look(page, f"orders-drawer-{width}-{theme}")
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 320, "height": 700})
    for path in paths.values():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways at 320"
