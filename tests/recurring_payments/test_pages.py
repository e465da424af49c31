"""The pages of recurring payments by HTTP: widget, details, order of the fields, list and export."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from common import streaming
from common.filters import distinct
from contacts.models import Contact
from recurring_payments import export
from recurring_payments.field_order import ORDER
from recurring_payments.fields import FIELDS, SHARED_KEYS
from recurring_payments.filters import SORTS
from recurring_payments.models import RecurringPayment
from tests.recurring_payments.rows import payment
from users.models import AuditEntry

pytestmark = pytest.mark.django_db
LIST = reverse("recurring_payments:list")
MOVE = reverse("users:field-order", args=["recurring-payments"])
FIELDS_PAGE = reverse("users:fields", args=["recurring-payments"])
HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(db: None) -> Contact:
    return Contact.objects.create(
        email="ana@example.com", email_key="ana@example.com", first_name="Ana María", last_name="López García"
    )


def text(client: Client, url: str, **options: Any) -> str:
    response = client.get(url, **options)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


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


# --- List ---


def names(page: str) -> list[str]:
    return re.findall(r'<bdi class="two-lines breaks">([^<]*)</bdi></td>', page)


@pytest.fixture
def several(ana: Contact) -> None:
    now = timezone.now()
    payment(ana, 1, name="Pro plan", next_payment_date=now + timedelta(days=3), start_date=now - timedelta(days=9))
    payment(
        ana,
        2,
        name="Seats",
        line_item_names=["Seats", "Extra"],
        normalized_status="PAYMENT_FAILED",
        store_status="past_due",
        next_payment_date=now - timedelta(days=1),
        payment_amount=1200,
        start_date=now - timedelta(days=5),
    )
    payment(
        None,
        3,
        name="Yearly",
        billing_interval="YEARLY",
        currency="JPY",
        payment_amount=5000,
        next_payment_date=now + timedelta(days=60),
        account="acct_2",
        is_test=True,
        start_date=now - timedelta(days=7),
    )
    payment(
        ana,
        4,
        name="Old",
        source="paypal",
        account="merchant",
        normalized_status="CANCELLED",
        next_payment_date=None,
        line_item_names=["Old thing"],
        start_date=now - timedelta(days=99),
    )
    payment(
        ana, 5, name="Trial", is_trial=True, next_payment_date=now + timedelta(days=20), payment_amount=None,
        cancel_at_period_end=True, start_date=now - timedelta(days=1),
    )  # fmt: skip


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
        ("sort=-next", ["Yearly", "Trial", "Pro plan", "Seats", "Old"]),
        ("sort=start", ["Old", "Pro plan", "Yearly", "Seats", "Trial"]),
        ("sort=-start", ["Trial", "Seats", "Yearly", "Pro plan", "Old"]),
        ("sort=name", ["Old", "Pro plan", "Seats", "Trial", "Yearly"]),
        ("sort=-name", ["Yearly", "Trial", "Seats", "Pro plan", "Old"]),
        ("sort=amount", ["Seats", "Pro plan", "Old", "Trial", "Yearly"]),
        ("sort=-amount", ["Yearly", "Trial", "Old", "Pro plan", "Seats"]),
        ("sort=nonsense&page=99", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
        ("status=past_due", ["Seats"]),
        ("status=payment_failed", ["Seats"]),
        ("status=trial", ["Trial"]),
        ("status=cancelling", ["Trial"]),
        ("status=cancelled", ["Old"]),
        ("status=active", ["Pro plan", "Trial", "Yearly"]),
        ("status=nonsense", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
        ("source=paypal", ["Old"]),
        ("account=acct_2", ["Yearly"]),
        ("mode=test", ["Yearly"]),
        ("interval=YEARLY", ["Yearly"]),
        ("next=overdue", ["Seats"]),
        ("next=7", ["Pro plan"]),
        ("next=90", ["Pro plan", "Trial", "Yearly"]),
        ("next=none", ["Old"]),
        ("product=plan", ["Pro plan"]),
        ("product=Extra", ["Seats"]),
        ("product=nothing", []),
        ("product=%00", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
        ("currency=JPY&least=5000&most=5000", ["Yearly"]),
        ("currency=EUR&least=12&most=48.999", ["Seats"]),
        ("currency=EUR&least=12.001", ["Pro plan", "Old"]),
        ("currency=EUR&most=999999999999999", ["Seats", "Pro plan", "Old"]),
        ("least=12", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
        ("least=abc&currency=EUR", ["Seats", "Pro plan", "Trial", "Old"]),
        ("contact=1e30", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
        ("contact=0", ["Seats", "Pro plan", "Trial", "Yearly", "Old"]),
    ],
)
def test_the_list_is_filtered_and_sorted(staff_client: Client, query: str, found: list[str]) -> None:
    assert names(text(staff_client, f"{LIST}?{query}")) == found


@pytest.mark.usefixtures("several")
def test_an_amount_without_a_currency_is_asked_for_it(staff_client: Client) -> None:
    assert "Choose a currency" in text(staff_client, f"{LIST}?least=12")
    assert "Choose a currency" not in text(staff_client, f"{LIST}?least=12&currency=EUR")


@pytest.mark.usefixtures("several")
def test_htmx_gets_the_table_and_the_number_is_announced(staff_client: Client) -> None:
    response = staff_client.get(f"{LIST}?status=cancelled", headers=HTMX)
    assert response.content.decode().strip().startswith('<div id="payments-table"')
    assert "1 recurring payment" in response.headers["HX-Trigger"]


@pytest.mark.usefixtures("several")
def test_each_row_leads_to_the_contact_and_to_the_details(staff_client: Client, ana: Contact) -> None:
    page = text(staff_client, LIST)
    assert page.count(f'href="{ana.get_absolute_url()}"') == 4
    for row in RecurringPayment.objects.all():
        assert f'href="{row.get_absolute_url()}"' in page


def test_the_list_of_one_contact(staff_client: Client, ana: Contact) -> None:
    payment(ana, 1, name="Mine")
    payment(None, 2, name="Other")
    assert names(text(staff_client, f"{LIST}?contact={ana.pk}")) == ["Mine"]


def test_the_number_of_queries_of_the_list_is_constant(
    staff_client: Client, ana: Contact, django_assert_max_num_queries: Any
) -> None:
    counts = []
    for total in (1, 60):
        while RecurringPayment.objects.count() < total:
            payment(ana, RecurringPayment.objects.count())
        with django_assert_max_num_queries(12) as counted:
            page = text(staff_client, LIST)
        counts.append(len(counted.captured_queries))
    assert counts[0] == counts[1]
    assert "1–50 of 60" in page


@pytest.mark.usefixtures("several")
def test_the_choices_of_the_filters_are_what_exists() -> None:
    assert distinct(RecurringPayment, "source", "account") == [
        ("paypal", "merchant"),
        ("stripe", "acct_1"),
        ("stripe", "acct_2"),
    ]
    assert distinct(RecurringPayment, "currency") == [("EUR",), ("JPY",)]


def test_an_empty_list_says_how_to_fill_it(staff_client: Client, marketer_client: Client) -> None:
    assert "add the resource Subscription" in text(staff_client, LIST)
    assert distinct(RecurringPayment, "currency") == []
    assert "Open apps" in text(marketer_client, LIST)


# --- Export ---


@pytest.mark.usefixtures("several")
def test_the_export_carries_the_list_as_it_is_filtered(marketer_client: Client) -> None:
    url = reverse("recurring_payments:export")
    response = marketer_client.post(f"{url}?status=past_due")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == ["Seats"]
    assert rows[0]["payment_amount"] == "12.00"
    assert AuditEntry.objects.filter(action="exported recurring payments").count() == 1


def test_the_export_has_the_keys_and_shapes_of_the_contract(ana: Contact) -> None:
    payment(ana, 1)
    payment(None, 2, currency="jpy", payment_amount=500, name="", next_payment_date=None)
    payment(ana, 3, currency="KWD", payment_amount=1250)
    first, second, third = export.recurring_payment_rows(RecurringPayment.objects.all())
    assert list(first) == ["contact_email", "source", "account", *SHARED_KEYS]
    assert first["contact_email"] == "ana@example.com"
    assert first["legacy_connection_id"] == 7
    assert (first["payment_amount"], first["tax_amount"], first["currency"]) == ("49.00", "7.82", "EUR")
    assert first["next_payment_date"] == "2026-12-01T09:00:00Z"
    assert first["payment_method_expiration"] == "2028-08-01"
    assert (first["is_trial"], first["total_cycles"], first["line_item_names"]) == (False, 0, ["Pro plan"])
    assert (first["normalized_status"], first["billing_interval"]) == ("ACTIVE", "MONTHLY")
    assert first["shipping_city"] is None
    assert (second["contact_email"], second["payment_amount"], second["currency"]) == (None, "500", "JPY")
    assert (second["name"], second["next_payment_date"]) == (None, None)
    assert third["payment_amount"] == "1.250"


def test_the_export_reads_in_pages(
    ana: Contact, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(streaming, "PAGE", 2)
    for number in range(5):
        payment(ana, number)
    with django_assert_num_queries(4):
        assert len(list(export.recurring_payment_rows())) == 5


def test_cells_of_the_export_run_nothing(marketer_client: Client, ana: Contact) -> None:
    payment(ana, name="=HYPERLINK(1)")
    response = marketer_client.post(reverse("recurring_payments:export"))
    assert '"\'=HYPERLINK(1)"' in b"".join(response.streaming_content).decode()


# --- Speed ---


def test_filters_and_sorts_use_indexes(staff_client: Client, ana: Contact) -> None:
    """With many rows PostgreSQL walks an index in the order wanted: no scan of the whole table."""
    now = timezone.now()
    RecurringPayment.objects.bulk_create(
        RecurringPayment(
            source="stripe",
            account="acct_1",
            store_recurring_payment_id=f"sub_{number}",
            contact=ana,
            normalized_status="PAYMENT_FAILED" if number % 50 == 0 else "ACTIVE",
            store_status="past_due" if number % 50 == 0 else "active",
            currency="EUR" if number % 20 else "JPY",
            payment_amount=number,
            next_payment_date=now + timedelta(minutes=number),
            start_date=now - timedelta(minutes=number),
        )
        for number in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recurring_payments_recurringpayment")
    queries = ("", *(f"sort={name}" for name in SORTS), "status=past_due", "currency=JPY&most=9000")
    for query in queries:
        plan = plan_of(staff_client, query)
        assert "Seq Scan on recurring_payments_recurringpayment" not in plan, f"{query}: {plan}"


def plan_of(client: Client, query: str) -> str:
    """How PostgreSQL would find the rows of a page of the list."""
    with CaptureQueriesContext(connection) as captured:
        client.get(f"{LIST}?{query}")
    wanted = next(made["sql"] for made in captured if "LIMIT 50" in made["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {wanted}")
        return "\n".join(line for (line,) in cursor.fetchall())
