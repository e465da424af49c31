"""Every field of an order: declared once, as text for people, in one order for the workspace (B031 to B033, B035)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse

from common.models import FieldOrder
from common.record_fields import DASH
from contacts.models import Contact
from orders.display import display, split
from orders.field_order import ORDER
from orders.fields import FIELDS
from orders.models import Order
from orders.records import Item
from recurring_payments.field_order import ORDER as PAYMENT_ORDER
from tests.orders.conftest import bought, order_record

pytestmark = pytest.mark.django_db
MOVE = reverse("users:field-order", args=["orders"])
PAGE = reverse("users:fields", args=["orders"])
NOT_FIELDS = {"id", "contact", "created_at"}
MADE_OF_OTHERS = {
    "kept", "item_names", "item_skus", "item_quantity", "checkout_session", "invoice", "payment_intent", "charge",
}  # fmt: skip


@pytest.fixture
def ana(db: None) -> Contact:
    return Contact.objects.create(email="ana@example.com", email_key="ana@example.com", first_name="Ana María")


def order(**values: Any) -> Order:
    bought(order_record(**values))
    return Order.objects.with_parts().get()


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def fields_of(page: str) -> list[str]:
    """The labels in the order's list of fields, filled and empty."""
    return re.findall(r"<dt>(.*?)</dt>", page[page.index('id="order-fields"') :].partition("</section>")[0])


def test_every_column_is_declared_once() -> None:
    columns = {field.name for field in Order._meta.concrete_fields} - NOT_FIELDS
    assert {field.key for field in FIELDS} == columns | MADE_OF_OTHERS
    assert len(FIELDS) == len(columns | MADE_OF_OTHERS)
    assert len({field.label for field in FIELDS}) == len(FIELDS)


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("number", {}, "NW-0001"),
        ("placed_at", {}, "Nov 1, 2026"),
        ("paid_at", {"paid_at": None}, DASH),
        ("status", {"status": "partially_refunded"}, "Partially refunded"),
        ("total", {}, "€49.00"),
        ("total", {"currency": "JPY", "total": 4900}, "¥4,900"),
        ("discount", {}, "€0.00"),
        ("kept", {"refunded": 900}, "€40.00"),
        ("item_names", {"items": (Item("Mug", "MUG", 2, 1), Item("", "", 1, 0))}, "Mug"),
        ("item_skus", {"items": (Item("Mug", "MUG", 2, 1), Item("Cap", "CAP", 1, 1))}, "MUG, CAP"),
        ("item_quantity", {"items": (Item("Mug", "MUG", 1200, 1), Item("Cap", "CAP", 1, 1))}, "1,201"),
        ("item_names", {"items": ()}, DASH),
        ("charge", {"references": ("invoice:in_1", "charge:ch_2", "charge:ch_1")}, "ch_1, ch_2"),
        ("invoice", {"references": ("charge:ch_1",), "external_id": "ch_1"}, DASH),
        ("url", {"url": "https://pay.example/r"}, "Open"),
        ("source", {"source": "woocommerce"}, "WooCommerce"),
        ("is_test", {"is_test": True}, "Yes"),
    ],
)
def test_a_value_is_shown_in_words(key: str, values: dict[str, Any], words: str) -> None:
    assert display(ORDER.by_key[key], order(**values)) == words


def test_every_field_can_be_shown_full_and_bare() -> None:
    bare = order(number=1, currency="", email="", items=(), paid_at=None)
    filled, empty = split(FIELDS, bare)
    assert len(filled) + len(empty) == len(FIELDS)
    assert all(value.text not in ("", DASH) for value in filled)
    assert all(value.text == DASH for value in empty)
    assert {"paid_at", "email", "url", "charge"} <= {value.field.key for value in empty}
    assert "discount" in {value.field.key for value in filled}


def test_an_address_that_is_none_of_the_web_is_no_link() -> None:
    filled, _ = split([ORDER.by_key["url"]], order(url="javascript:alert(1)"))
    assert filled[0].url == ""


# --- The order of the workspace ---


def test_the_details_show_every_field_in_the_order_of_the_workspace(staff_client: Client, ana: Contact) -> None:
    """B030's rule for orders: the order rules the details, empty fields folded."""
    bought(order_record(contact=ana.pk, references=("invoice:in_1", "charge:ch_1")))
    path = Order.objects.get().get_absolute_url()
    page = text(staff_client, path)
    assert fields_of(page)[:3] == ["Number", "Placed", "Paid"]
    ORDER.put(["charge", "payment_intent", "total"])
    page = text(staff_client, path)
    found = fields_of(page)
    assert sorted(found) == sorted(field.label for field in FIELDS)
    assert found[:2] == ["Charge", "Total"]
    folded = page[page.index("<details") :].partition("</details>")[0]
    empty = re.findall(r"<dt>(.*?)</dt>", folded)
    assert empty[0] == "Payment intent"
    assert f"Show {len(empty)} empty fields" in folded
    assert "Change field order" not in page


def test_the_card_on_the_contact_shows_the_first_two(marketer_client: Client, ana: Contact) -> None:
    bought(order_record(contact=ana.pk, references=("invoice:in_1", "charge:ch_1")))

    def line() -> str:
        page = text(marketer_client, ana.get_absolute_url())
        card = page[page.index('id="orders-heading"') :].partition("</section>")[0]
        return re.sub(r"<[^>]+>", "", re.findall(r"<small>(.*?)</small>", card)[0])

    assert line() == "Number NW-0001 · Placed Nov 1, 2026"
    ORDER.put(["payment_intent", "charge"])
    assert line() == "Charge ch_1"
    ORDER.put(["item_names", "tax"])
    assert line() == "Item names Pro plan · Tax €7.82"


def test_settings_lead_to_the_order_in_three_clicks(marketer_client: Client) -> None:
    """B031, B035."""
    manage = reverse("users:manage-data")
    assert manage in text(marketer_client, reverse("users:profile"))
    assert PAGE in text(marketer_client, manage)
    page = text(marketer_client, PAGE)
    assert page.count("data-key=") == len(FIELDS)
    assert page[: page.index("Shown on the contact")].count("data-key=") == 2
    assert page.count(">Stripe</span>") == len(FIELDS)
    assert "Order fields</h1>" in page


def test_fields_are_moved_by_buttons_and_by_dragging(marketer_client: Client, admin_client: Client) -> None:
    """B032, B033: everybody sees it, and recurring payments keep their own order."""
    before = [field.key for field in PAYMENT_ORDER.ordered()]
    response = marketer_client.post(MOVE, {"up": "placed_at"}, follow=True)
    assert "Placed: place 1 of" in response.content.decode()
    assert re.findall(r'data-key="(\w+)"', text(admin_client, PAGE))[:2] == ["placed_at", "number"]
    keys = [field.key for field in ORDER.ordered()]
    dragged = [keys[8], *keys[:8], *keys[9:]]
    response = marketer_client.post(MOVE, {"key": dragged, "moved": keys[8]}, headers={"HX-Request": "true"})
    assert "place 1 of" in response.headers["HX-Trigger"]
    assert [field.key for field in ORDER.ordered()] == dragged
    assert [field.key for field in PAYMENT_ORDER.ordered()] == before
    marketer_client.post(MOVE, {"reset": "1"})
    assert ORDER.ordered() == list(FIELDS)


def test_a_kind_nobody_knows_is_not_found(marketer_client: Client) -> None:
    assert marketer_client.get(reverse("users:fields", args=["cars"])).status_code == 404
    assert marketer_client.post(reverse("users:field-order", args=["cars"]), {"up": "x"}).status_code == 404
    assert not FieldOrder.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_order_saved_before_all_kinds_shared_a_table_is_kept() -> None:
    old = [("recurring_payments", "0002_list_indexes")]
    new = [("recurring_payments", "0003_one_field_order")]
    try:
        state = MigrationExecutor(connection).migrate(old)
        state.apps.get_model("recurring_payments", "FieldOrder").objects.create(pk=1, keys=["currency", "name"])
        MigrationExecutor(connection).migrate(new)
        assert [field.key for field in PAYMENT_ORDER.ordered()][:2] == ["currency", "name"]
        state = MigrationExecutor(connection).migrate(old)
        assert state.apps.get_model("recurring_payments", "FieldOrder").objects.get().keys == ["currency", "name"]
        FieldOrder.objects.all().delete()
    finally:
        # With all that stands upon it, of whatever app.
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
