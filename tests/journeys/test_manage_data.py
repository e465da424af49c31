"""Settings, Manage data in the browser: the fields of each kind of record put in order by drag, keys and buttons."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.field_order import OrderedFields
from contacts.models import Contact
from orders.field_order import ORDER as ORDER_FIELDS
from recurring_payments.field_order import ORDER as PAYMENT_FIELDS
from tests.contacts.conftest import record, sync
from tests.orders.conftest import bought, order_record
from tests.recurring_payments.rows import payment
from tests.waiting import eventually
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OpenPage = Callable[..., Any]


@dataclass(frozen=True)
class Kind:
    """A kind of record: `shown` finds on a contact's card what its first field gave."""

    name: str
    fields: OrderedFields[Any]
    shown: str

    @property
    def url(self) -> str:
        return f"/settings/manage-data/{self.fields.kind}/"

    def order(self) -> list[str]:
        return [field.key for field in self.fields.ordered()]

    def label(self, key: str) -> str:
        return str(self.fields.by_key[key].label)


KINDS = [Kind("Recurring payments", PAYMENT_FIELDS, "dt"), Kind("Orders", ORDER_FIELDS, "small")]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.fields.kind)
each_width = pytest.mark.parametrize("width", [1440, 390])


@pytest.fixture
def ana(transactional_db: None) -> Contact:
    sync(record(1, first_name="Ana María", last_name="López García"))
    ana = Contact.objects.get()
    payment(ana)
    bought(order_record(1, contact=ana.pk, references=("invoice:in_1", "payment_intent:pi_1", "charge:ch_1")))
    return ana


def look(page: Any, name: str, *, full_page: bool = True) -> None:
    """Keep a picture for people who want to look: PICTURES=folder bin/test tests/journeys."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=full_page)


def placed(page: Any, key: str, place: int) -> None:
    """Wait until the page shows a field at a place, counted from 1."""
    expect(page.locator(".ordering > [data-key]").nth(place - 1)).to_have_attribute("data-key", key)


@each_width
@each_kind
def test_a_field_is_dragged_and_everybody_sees_it(
    open_page: OpenPage, marketer: User, staff: User, ana: Contact, kind: Kind, width: int
) -> None:
    """B031 to B033. The window is as high as nine fields are in a narrow one."""
    page = open_page(marketer, "/settings/profile/", viewport={"width": width, "height": 1600})
    page.get_by_role("link", name="Manage data").click()
    page.locator("main").get_by_role("link", name=kind.name).click()
    # The script that drags comes after the page.
    page.locator("[data-ordering][data-armed]").wait_for()
    ninth, first = kind.order()[8], kind.order()[0]
    handle = page.locator(f"#handle-{ninth}").bounding_box()
    goal = page.locator(f"#handle-{first}").bounding_box()
    page.mouse.move(handle["x"] + 10, handle["y"] + 10)
    page.mouse.down()
    page.mouse.move(handle["x"] + 12, handle["y"] - 20, steps=5)
    page.mouse.move(goal["x"] + 12, goal["y"] + 4, steps=20)
    steps = itertools.cycle((12, 13))

    def it_would_land_there() -> bool:
        # The list looks some twenty times a second at a pointer that has moved.
        page.mouse.move(goal["x"] + next(steps), goal["y"] + 4)
        return page.locator("[id^=handle-]").first.get_attribute("id") == f"handle-{ninth}"

    eventually(it_would_land_there)
    look(page, f"dragging-{kind.fields.kind}-{width}", full_page=False)
    with page.expect_response(lambda response: response.url.endswith("/order/")):
        page.mouse.up()
    placed(page, ninth, 1)
    expect(page.locator("#live")).to_contain_text("place 1 of")
    assert kind.order()[:2] == [ninth, first]
    page.reload()
    placed(page, ninth, 1)
    other = open_page(staff, ana.get_absolute_url(), viewport={"width": width, "height": 900})
    look(other, f"contact-{kind.fields.kind}-{width}")
    card = other.get_by_role("region", name=kind.name)
    expect(card.locator(kind.shown).first).to_have_text(re.compile(rf"^\s*{re.escape(kind.label(ninth))}"))


@each_width
@each_kind
def test_a_field_is_moved_by_keys_and_keeps_the_focus(
    open_page: OpenPage, marketer: User, ana: Contact, kind: Kind, width: int
) -> None:
    """B032."""
    page = open_page(marketer, kind.url, viewport={"width": width, "height": 900})
    key = kind.order()[2]
    page.locator(f"#handle-{key}").focus()
    page.keyboard.press("ArrowUp")
    placed(page, key, 2)
    expect(page.locator(f"#handle-{key}")).to_be_focused()
    page.keyboard.press("ArrowDown")
    placed(page, key, 3)
    page.locator(f"#up-{key}").focus()
    page.keyboard.press("Enter")
    placed(page, key, 2)
    expect(page.locator(f"#up-{key}")).to_be_focused()
    page.keyboard.press("Enter")
    placed(page, key, 1)
    expect(page.locator("#live")).to_contain_text("place 1 of")
    page.get_by_role("button", name="Use default order").click()
    placed(page, key, 3)
    assert kind.order()[2] == key


def test_a_button_that_an_answer_brought_works_at_once(open_page: OpenPage, marketer: User, ana: Contact) -> None:
    """B032: whoever presses twice as fast as can be gets two moves on the same page, each of them announced."""
    kind = KINDS[0]
    page = open_page(marketer, kind.url)
    key = kind.order()[2]
    page.evaluate(
        """(key) => {
            window.samePage = true;
            const button = () => document.getElementById(`up-${key}`);
            const old = button();
            const watch = new MutationObserver(() => {
                if (!button() || button() === old) return;
                watch.disconnect();
                button().click();
            });
            watch.observe(document.body, { childList: true, subtree: true });
        }""",
        key,
    )
    page.locator(f"#up-{key}").click()
    placed(page, key, 1)
    expect(page.locator("#live")).to_contain_text("place 1 of")
    assert page.evaluate("window.samePage === true"), "the second press loaded the page anew"


@each_width
@each_kind
def test_a_field_is_moved_without_javascript(
    open_page: OpenPage, marketer: User, ana: Contact, kind: Kind, width: int
) -> None:
    """B032."""
    second = kind.order()[1]
    page = open_page(marketer, kind.url, javascript=False, viewport={"width": width, "height": 900})
    assert page.locator("[data-handle]").filter(visible=True).count() == 0
    page.get_by_role("button", name=f"Move {kind.label(second)} up").click()
    page.get_by_text(f"{kind.label(second)}: place 1 of").wait_for()
    placed(page, second, 1)
    assert kind.order()[0] == second


def test_the_order_of_an_orders_fields_rules_its_details(open_page: OpenPage, marketer: User, ana: Contact) -> None:
    """B027 and B030 for orders: every field in the order of the workspace, empty ones folded, one click away."""
    ORDER_FIELDS.put(["charge", "total"])
    page = open_page(marketer, ana.get_absolute_url(), reduced_motion="reduce")
    page.get_by_role("region", name="Orders").get_by_role("link", name="Pro plan").click()
    drawer = page.get_by_role("dialog", name="Pro plan")
    drawer.wait_for()
    values = drawer.get_by_role("region", name="Fields")
    for place, label in enumerate(("Charge", "Total", "Number")):
        expect(values.locator("dt").nth(place)).to_have_text(label)
    folded = drawer.get_by_text("Checkout session", exact=True)
    expect(folded).to_be_hidden()
    drawer.get_by_text("empty fields").click()
    expect(folded).to_be_visible()
    expect(values.locator("dt")).to_have_count(len(ORDER_FIELDS.fields))
    drawer.get_by_role("link", name="Change field order").click()
    page.get_by_role("heading", level=1, name="Order fields").wait_for()


@each_width
@each_kind
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_can_be_used_by_everybody(
    open_page: OpenPage, marketer: User, ana: Contact, kind: Kind, theme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    size = {"width": width, "height": 900}
    page = open_page(marketer, "/", color_scheme=theme, viewport=size, reduced_motion="reduce")
    for name, path in {"kinds": "/settings/manage-data/", "fields": kind.url}.items():
        page.goto(path)
        look(page, f"manage-data-{name}-{kind.fields.kind}-{width}-{theme}")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways at 320"
