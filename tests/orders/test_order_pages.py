"""Orders as people see them: on the contact, in a list, in a drawer, as a file."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact
from orders.export import COLUMNS, order_rows
from orders.models import Order
from orders.records import Item
from tests.orders.conftest import START, bought, order_record
from users.models import AuditEntry

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 400


@pytest.fixture
def ana() -> Contact:
    return Contact.objects.create(email="ana@example.com", email_key="ana@example.com", first_name="Ana María")


def page(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def numbers(client: Client, query: str) -> list[str]:
    """Numbers of the orders the list shows, in its order."""
    text = page(client, reverse("orders:list") + query)
    shown = [part.partition("<")[0] for part in text.split('<small class="id">')[1:]]
    return [number.removeprefix("NW-").lstrip("0") for number in shown]


def test_the_contact_shows_the_newest_orders_and_what_they_brought(staff_client: Client, ana: Contact) -> None:
    """A007: one order on the contact record; lifetime value per currency, paid minus refunded."""
    bought(*(order_record(number, contact=ana.pk, at=number) for number in range(1, 7)))
    bought(order_record(7, contact=ana.pk, at=7, status="partially_refunded", refunded=900))
    bought(order_record(8, contact=ana.pk, at=-8, currency="JPY", total=5000))
    bought(order_record(9, contact=ana.pk, at=-9, status="failed"), order_record(10, contact=ana.pk, status="pending"))
    text = page(staff_client, ana.get_absolute_url())
    card = text[text.index('id="orders-heading"') :].partition("</section>")[0]
    assert [part[:7] for part in card.split('<bdi class="id">')[1:]] == [f"NW-000{n}" for n in (7, 6, 5, 4, 3)]
    assert "All 10 orders" in card and f"?contact={ana.pk}" in card
    assert "€9.00 refunded" in card and "Partially refunded" in card
    value = text[text.index('id="lifetime-heading"') :].partition("</section>")[0]
    assert "€334.00" in value and "7 paid orders" in value and "¥5,000" in value


def test_disputed_money_is_named_in_the_lifetime_value(staff_client: Client, ana: Contact) -> None:
    bought(order_record(1, contact=ana.pk, status="disputed"))
    assert "€49.00 of it disputed" in page(staff_client, ana.get_absolute_url())


def test_a_contact_without_orders_has_no_such_cards(staff_client: Client, ana: Contact) -> None:
    text = page(staff_client, ana.get_absolute_url())
    assert 'id="orders-heading"' not in text and 'id="lifetime-heading"' not in text


def test_a_contact_with_500_orders_asks_no_more_than_one_with_5(staff_client: Client, ana: Contact) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            page(staff_client, ana.get_absolute_url())
        return len(made)

    bought(*(order_record(number, contact=ana.pk, at=number) for number in range(5)))
    few = queries()
    bought(*(order_record(number, contact=ana.pk, at=number) for number in range(5, 500)))
    assert queries() == few <= 12


def test_an_order_shows_its_lines_sums_references_and_timeline(staff_client: Client, ana: Contact) -> None:
    items = (Item("Pro plan", "price_pro", 2, 4000), Item("Setup", "", 1, 900))
    references = ("invoice:in_1", "payment_intent:pi_1", "charge:ch_1")
    about = {"discount": 500, "shipping": 490, "refunded": 900, "status": "partially_refunded"}
    bought(order_record(contact=ana.pk, items=items, references=references, **about))
    order = Order.objects.get()
    text = page(staff_client, order.get_absolute_url())
    for shown in ("Pro plan", "price_pro", "€40.00", "−€5.00", "€4.90", "€7.82", "€49.00", "−€9.00", "in_1", "ch_1"):
        assert shown in text, shown
    assert "Order of €49.00 refunded by €9.00" in text
    assert 'href="https://dashboard.stripe.com/acct_1/invoices/in_1"' in text
    drawer = page(staff_client, order.get_absolute_url(), **HTMX)
    assert drawer.lstrip().startswith('<dialog class="drawer"') and "Pro plan" in drawer


def test_only_an_address_of_the_web_becomes_a_link(staff_client: Client) -> None:
    bought(order_record(1, url="javascript:alert(1)"), order_record(2, url="https://pay.example/r"))
    shown = [page(staff_client, order.get_absolute_url()) for order in Order.objects.order_by("pk")]
    assert "javascript:" not in shown[0] and "https://pay.example/r" in shown[1]


def test_hostile_words_are_shown_as_words(staff_client: Client, ana: Contact) -> None:
    bought(order_record(contact=ana.pk, description=HOSTILE, number=HOSTILE[:200], items=(Item(HOSTILE, "", 1, 1),)))
    for path in (reverse("orders:list"), Order.objects.get().get_absolute_url(), ana.get_absolute_url()):
        assert "<script>alert" not in page(staff_client, path)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["4", "3", "2", "1"]),
        ("?sort=placed", ["1", "2", "3", "4"]),
        ("?sort=total", ["2", "1", "4", "3"]),
        ("?sort=nonsense", ["4", "3", "2", "1"]),
        ("?status=refunded", ["2"]),
        ("?source=paddle", ["3"]),
        ("?account=merchant", ["3"]),
        ("?account=acct_1&status=refunded", ["2"]),
        ("?account=nonsense", ["4", "3", "2", "1"]),
        ("?currency=EUR", ["4", "2", "1"]),
        ("?currency=EUR&least=49&most=49", ["1"]),
        ("?currency=EUR&least=49.01", ["4"]),
        ("?currency=JPY&least=7001", []),
        ("?mode=test", ["4"]),
        ("?mode=live", ["3", "2", "1"]),
        ("?who=lopez", ["2", "1"]),
        ("?who=example.com+ana", ["2", "1"]),
        ("?who=bob&product=mug", []),
        ("?who=%25", []),
        ("?product=MUG", ["2"]),
        ("?product=%25", []),
        ("?placed=7", ["4", "3"]),
        ("?status=refunded&currency=JPY", []),
    ],
)
def test_orders_are_filtered_and_sorted(staff_client: Client, query: str, expected: list[str]) -> None:
    ana = Contact.objects.create(first_name="Ana", last_name="Lopez", email="ana@example.com")
    bob = Contact.objects.create(first_name="Bob", email="bob@example.org")
    # START lies years away from the clock of the machine that runs this, one way or the other.
    days = (timezone.now() - START).days * 86400
    bought(
        order_record(1, at=days - 40 * 86400, contact=ana.pk),
        order_record(
            2,
            at=days - 30 * 86400,
            contact=ana.pk,
            status="refunded",
            total=1000,
            items=(Item("Blue mug", "", 1, 1000),),
        ),
        order_record(
            3, at=days - 3 * 86400, contact=bob.pk, source="paddle", account="merchant", currency="JPY", total=7000
        ),
        order_record(4, at=days - 86400, is_test=True, total=9900),
    )
    assert numbers(staff_client, query) == expected


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("NW-0002", ["2"]),
        ("+nw-0002+", ["2"]),
        ("NW-000", []),
        ("in_2", ["2"]),
        ("ch_2", ["2"]),
        ("txn-9", ["3"]),
        ("charge:ch_2", []),
        # Both an order's number and a part of somebody's phone number.
        ("4242", ["4", "1"]),
        ("ch_2&status=failed", []),
        ("4242&sort=placed", ["1", "4"]),
    ],
)
def test_an_order_is_found_by_its_number_and_by_its_ids(staff_client: Client, who: str, expected: list[str]) -> None:
    ana = Contact.objects.create(first_name="Ana", phone="+49 30 4242", email="ana@example.com")
    bought(
        order_record(1, contact=ana.pk),
        order_record(2, at=1, references=("invoice:in_2", "charge:ch_2"), is_test=True),
        order_record(3, at=2, external_id="txn-9", references=("transaction:txn-9",), source="paddle", account="shop"),
        order_record(4, at=3),
    )
    Order.objects.filter(external_id="in_4").update(number="4242")
    found = numbers(staff_client, f"?who={who}")
    assert [number.replace("4242", "4") for number in found] == expected


def test_an_amount_without_a_currency_says_what_is_missing(staff_client: Client) -> None:
    bought(order_record())
    assert "Choose a currency" in page(staff_client, reverse("orders:list") + "?least=5")


@pytest.mark.parametrize(
    "query", ["?contact=999999999999999999999", "?least=x", "?page=-1", "?product=%00", "?status=x"]
)
def test_odd_addresses_do_not_break_the_list(staff_client: Client, query: str) -> None:
    bought(order_record())
    page(staff_client, reverse("orders:list") + query)


def test_the_list_leads_to_the_contact_and_asks_little(staff_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            text = page(staff_client, reverse("orders:list"))
        assert text.count("<tr>") == Order.objects.count() + 1
        return len(made)

    def people(first: int, count: int) -> None:
        for number in range(first, first + count):
            person = Contact.objects.create(email=f"p{number}@example.com", email_key=f"p{number}@example.com")
            bought(order_record(number, contact=person.pk))

    people(0, 2)
    few = queries()
    people(2, 48)
    assert queries() == few <= 12
    person = Contact.objects.first()
    assert person and person.get_absolute_url() in page(staff_client, reverse("orders:list"))
    assert page(staff_client, reverse("orders:list") + f"?contact={person.pk}").count("<tr>") == 2


def test_an_empty_list_says_how_it_fills(marketer_client: Client) -> None:
    assert "No orders yet" in page(marketer_client, reverse("orders:list"))
    assert "No order found" in page(marketer_client, reverse("orders:list") + "?status=paid")


def test_marketers_export_what_the_list_shows(marketer_client: Client, staff_client: Client, ana: Contact) -> None:
    bought(order_record(1, contact=ana.pk, items=(Item("=1+1", "", 2, 4900),)), order_record(2, status="failed"))
    path = reverse("orders:export") + "?status=paid"
    assert staff_client.post(path).status_code == 403
    response = marketer_client.post(path)
    rows = list(csv.DictReader(io.StringIO(b"".join(response).decode("utf-8-sig"))))
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["external_id"], row["total"], row["items"]) for row in rows] == [("in_1", "49.00", "2 × =1+1")]
    entry = AuditEntry.objects.latest("pk")
    assert "exported orders" in entry.action and entry.object_label == "1 order"


def test_formulas_of_a_source_are_harmless_in_the_file(marketer_client: Client) -> None:
    bought(order_record(1, external_id="=cmd|x", references=("invoice:=cmd|x",)))
    assert '"\'=cmd|x"' in b"".join(marketer_client.post(reverse("orders:export"))).decode()


def test_the_export_has_the_keys_and_forms_of_the_contract(ana: Contact) -> None:
    bought(
        order_record(
            1, contact=ana.pk, refunded=900, items=(Item("Pro plan", "price_pro", 2, 4900), Item("", "", 1, 0))
        )
    )
    bought(order_record(2, currency="JPY", total=5000, placed_at=START + timedelta(days=1)))
    first, second = json.loads(json.dumps(list(order_rows())))
    assert first == {
        "source": "stripe",
        "account": "acct_1",
        "external_id": "in_1",
        "contact_email": "ana@example.com",
        "status": "paid",
        "currency": "EUR",
        "total": "49.00",
        "tax": "7.82",
        "discount": "0.00",
        "shipping": "0.00",
        "refunded": "9.00",
        "items": [
            {"name": "Pro plan", "sku": "price_pro", "quantity": 2, "amount": "49.00"},
            {"name": None, "sku": None, "quantity": 1, "amount": "0.00"},
        ],
        "placed_at": "2026-11-01T09:00:00Z",
    }
    assert (second["contact_email"], second["total"], second["placed_at"]) == (None, "5000", "2026-11-02T09:00:00Z")


def test_an_export_does_not_ask_once_per_order() -> None:
    bought(*(order_record(number) for number in range(30)))
    with CaptureQueriesContext(connection) as made:
        assert len(list(order_rows(Order.objects.filter(status="paid")))) == 30
    assert len(made) <= 4
