"""Lists between a phone and a wide screen: a laptop, a tablet, a page that was made larger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from contacts.models import Contact, Tag
from segments.models import Segment
from tests.orders.conftest import bought, order_record
from tests.recurring_payments.rows import payment
from users.models import User

pytest.importorskip("playwright")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenPage = Callable[..., Any]
# Of every column, whether its words end before the next one begins.
FITS = """row => [...row.cells].every(cell => {
    const words = document.createRange();
    words.selectNodeContents(cell);
    return words.getBoundingClientRect().right <= cell.getBoundingClientRect().right + 1;
})"""


@pytest.fixture
def ana(transactional_db: None) -> Contact:
    contact = Contact.objects.create(first_name="Ana María", last_name="López García", email="ana@example.com")
    long_ago = timezone.now() - timedelta(minutes=44)
    Contact.objects.filter(pk=contact.pk).update(created_at=long_ago, updated_at=long_ago)
    payment(contact)
    bought(order_record(contact=contact.pk))
    return contact


@pytest.mark.parametrize("width", [1280, 1100, 900, 832])
def test_lists_fit_every_window(open_page: OpenPage, marketer: User, ana: Contact, width: int) -> None:
    page = open_page(marketer, "/contacts/", viewport={"width": width, "height": 800})
    assert page.locator("tbody tr").evaluate(FITS), "columns of contacts run into each other"
    for path in ("/contacts/", "/recurring-payments/", "/orders/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


def test_on_a_phone_the_menu_leaves_the_room_to_the_button(open_page: OpenPage, marketer: User, ana: Contact) -> None:
    page = open_page(marketer, ana.get_absolute_url(), viewport={"width": 390, "height": 800})
    actions = page.locator(".page-head .actions")
    button, whole = actions.get_by_text("Edit contact").bounding_box(), actions.bounding_box()
    assert button["width"] > whole["width"] * 0.8


def test_the_filters_of_contacts_stand_in_one_row(open_page: OpenPage, marketer: User, ana: Contact) -> None:
    Tag.objects.create(name="stripe-integration-customer.subscription.updated")
    Segment.objects.create(name="Active yearly customers of the first year", conditions={})
    page = open_page(marketer, "/contacts/", viewport={"width": 1440, "height": 800})
    assert page.locator("#contact-filters").bounding_box()["height"] < 50
