"""The pages of recurring payments by HTTP: widget, details, order of the fields."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact
from recurring_payments.field_order import ORDER
from recurring_payments.fields import FIELDS
from tests.recurring_payments.conftest import text
from tests.recurring_payments.rows import payment

pytestmark = pytest.mark.django_db
LIST = reverse("recurring_payments:list")
MOVE = reverse("users:field-order", args=["recurring-payments"])
FIELDS_PAGE = reverse("users:fields", args=["recurring-payments"])
HTMX = {"HX-Request": "true"}


def labels(page: str) -> list[str]:
    return re.findall(r"<dt>(.*?)</dt>", page)


# --- Widget (B025, B029) ---


def test_a_contact_shows_what_it_pays_with_the_first_five_fields(staff_client: Client, ana: Contact) -> None:
    payment(ana)
    page = text(staff_client, ana.get_absolute_url())
    widget = page[page.index('id="payments-heading"') : page.index("</section>", page.index('id="payments-heading"'))]
    assert "€49.00</bdi> / month" in widget
    assert "Pro plan" in widget
    assert "badge--ok" in widget
    assert labels(widget) == [
        "Next payment date",
        "Last payment date",
        "Last payment status",
        "Start date",
        "Total cycles",
    ]
    assert "Change field order" not in widget


def test_the_widget_follows_the_order_of_the_workspace(marketer_client: Client, ana: Contact) -> None:
    payment(ana)
    ORDER.put(["billing_city", "currency"])
    page = text(marketer_client, ana.get_absolute_url())
    widget = page[page.index('id="payments-heading"') :]
    assert labels(widget)[:3] == ["Billing address city", "Currency", "Next payment date"]
    assert "Change field order" in widget


def test_a_contact_without_recurring_payments_says_so(staff_client: Client, ana: Contact) -> None:
    assert "No recurring payments yet" in text(staff_client, ana.get_absolute_url())


def test_what_is_over_comes_last_and_many_are_folded(staff_client: Client, ana: Contact) -> None:
    now = timezone.now()
    for number in range(7):
        over = number % 2 == 0
        status = {"normalized_status": "CANCELLED" if over else "ACTIVE", "start_date": now - timedelta(days=number)}
        payment(ana, number, name=f"Plan {number}", **status)
    page = text(staff_client, ana.get_absolute_url())
    shown = re.findall(r'breaks">(Plan \d)</bdi>', page)
    assert shown == [f"Plan {number}" for number in (1, 3, 5, 0, 2, 4, 6)]
    assert "Show 2 more" in page


# --- Details (B026, B027, B030) ---


def test_the_details_show_every_field_in_the_order_of_the_workspace(staff_client: Client, ana: Contact) -> None:
    row = payment(ana)
    ORDER.put(["billing_country", "shipping_line3", "payment_amount"])
    page = text(staff_client, row.get_absolute_url())
    assert page.startswith("<!DOCTYPE html>")
    found = labels(page)
    assert sorted(found) == sorted(field.label for field in FIELDS)
    assert found[:2] == ["Billing address country", "Payment amount"]
    folded = page[page.index("<details") :]
    empty = labels(folded[: folded.index("</details>")])
    assert empty[0] == "Shipping address line 3"
    assert f"Show {len(empty)} empty fields" in page
    assert ana.get_absolute_url() in page


def test_the_drawer_is_a_fragment_with_the_way_to_stripe(staff_client: Client, ana: Contact) -> None:
    page = text(staff_client, payment(ana, is_test=True).get_absolute_url(), headers=HTMX)
    assert page.strip().startswith('<dialog class="drawer"')
    assert "https://dashboard.stripe.com/acct_1/test/subscriptions/sub_1" in page
    assert "Test</span>" in page
    assert "Change field order" not in page


def test_what_a_source_wrote_is_text(staff_client: Client, ana: Contact) -> None:
    row = payment(ana, name="<script>alert(1)</script>", notes=["<b>bold</b>"], latest_invoice_url="javascript:x")
    for url in (row.get_absolute_url(), ana.get_absolute_url(), LIST):
        page = text(staff_client, url)
        assert "<script>alert" not in page
        assert "<b>bold" not in page
        assert "javascript:x" not in page.replace("</bdi>", "") or 'href="javascript' not in page


def test_a_recurring_payment_may_wait_for_its_contact(staff_client: Client) -> None:
    row = payment(None)
    assert "No contact yet" in text(staff_client, LIST)
    assert "Pro plan" in text(staff_client, row.get_absolute_url())


# --- Order of the fields (B031 to B035) ---


def test_settings_lead_to_the_order_in_three_clicks(marketer_client: Client) -> None:
    settings = text(marketer_client, reverse("users:profile"))
    assert (manage := reverse("users:manage-data")) in settings
    assert FIELDS_PAGE in text(marketer_client, manage)
    page = text(marketer_client, FIELDS_PAGE)
    assert page.count("data-key=") == len(FIELDS)
    line = page.index("Shown on the contact")
    assert page[:line].count("data-key=") == 5
    brands = page[page.index('data-key="line_item_brands"') :]
    assert re.findall(r'badge--plain">(.*?)<', brands)[:3] == ["Stripe", "WooCommerce", "API store"]


def test_the_buttons_move_a_field_without_script(marketer_client: Client, admin_client: Client) -> None:
    response = marketer_client.post(MOVE, {"up": "last_payment_date"}, follow=True)
    assert "Last payment date: place 1 of" in response.content.decode()
    page = text(admin_client, FIELDS_PAGE)
    keys = re.findall(r'data-key="(\w+)"', page)
    assert keys[:2] == ["last_payment_date", "next_payment_date"]
    marketer_client.post(MOVE, {"down": "last_payment_date"})
    assert ORDER.ordered()[0].key == "next_payment_date"


def test_dragging_sends_the_whole_order_and_is_announced(marketer_client: Client) -> None:
    keys = [field.key for field in ORDER.ordered()]
    dragged = [keys[8], *keys[:8], *keys[9:]]
    response = marketer_client.post(MOVE, {"key": dragged, "moved": keys[8]}, headers=HTMX)
    assert response.content.decode().strip().startswith('<form class="card" id="field-order"')
    assert "place 1 of" in response.headers["HX-Trigger"]
    assert [field.key for field in ORDER.ordered()] == dragged
    marketer_client.post(MOVE, {"reset": "1"})
    assert [field.key for field in ORDER.ordered()] == keys
