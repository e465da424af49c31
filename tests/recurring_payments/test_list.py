"""The list of all recurring payments and its export, by HTTP."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common import streaming
from common.filters import distinct
from contacts.models import Contact
from recurring_payments import export
from recurring_payments.fields import SHARED_KEYS
from recurring_payments.models import RecurringPayment
from tests.recurring_payments.conftest import text
from tests.recurring_payments.rows import payment
from users.models import AuditEntry

pytestmark = pytest.mark.django_db
LIST = reverse("recurring_payments:list")
HTMX = {"HX-Request": "true"}


def names(page: str) -> list[str]:
    return re.findall(r'<bdi class="two-lines breaks">([^<]*)</bdi></td>', page)


@pytest.fixture
def several(ana: Contact) -> None:
    now = timezone.now()
    payment(ana, 1, name="Pro plan", next_payment_date=now + timedelta(days=3), start_date=now - timedelta(days=9))
    payment(
        ana,
        2,
        name="Seats, Extra",
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
        ("", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("sort=-next", ["Yearly", "Trial", "Pro plan", "Seats, Extra", "Old"]),
        ("sort=start", ["Old", "Pro plan", "Yearly", "Seats, Extra", "Trial"]),
        ("sort=-start", ["Trial", "Seats, Extra", "Yearly", "Pro plan", "Old"]),
        ("sort=name", ["Old", "Pro plan", "Seats, Extra", "Trial", "Yearly"]),
        ("sort=-name", ["Yearly", "Trial", "Seats, Extra", "Pro plan", "Old"]),
        ("sort=amount", ["Seats, Extra", "Pro plan", "Old", "Trial", "Yearly"]),
        ("sort=-amount", ["Yearly", "Trial", "Old", "Pro plan", "Seats, Extra"]),
        ("sort=nonsense&page=99", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("status=past_due", ["Seats, Extra"]),
        ("status=payment_failed", ["Seats, Extra"]),
        ("status=trial", ["Trial"]),
        ("status=cancelling", ["Trial"]),
        ("status=cancelled", ["Old"]),
        ("status=active", ["Pro plan", "Trial", "Yearly"]),
        ("status=nonsense", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("source=paypal", ["Old"]),
        ("account=acct_2", ["Yearly"]),
        ("mode=test", ["Yearly"]),
        ("interval=YEARLY", ["Yearly"]),
        ("next=overdue", ["Seats, Extra"]),
        ("next=7", ["Pro plan"]),
        ("next=90", ["Pro plan", "Trial", "Yearly"]),
        ("next=none", ["Old"]),
        ("next_from={3}&next_to={20}", ["Pro plan", "Trial"]),
        ("next_from={20}", ["Trial", "Yearly"]),
        ("next_to={-1}", ["Seats, Extra"]),
        ("next=90&next_to={20}", ["Pro plan", "Trial"]),
        ("next_from={20}&next_to={3}", []),
        ("next_from=9999-12-31", []),
        ("next_to=0001-01-01", []),
        ("next_from=soon", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("who=ana", ["Seats, Extra", "Pro plan", "Trial", "Old"]),
        ("who=ana&product=plan", ["Pro plan"]),
        ("who=nobody", []),
        ("who=%00", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("product=plan", ["Pro plan"]),
        ("product=Extra", ["Seats, Extra"]),
        ("product=nothing", []),
        ("product=%00", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("currency=JPY&least=5000&most=5000", ["Yearly"]),
        ("currency=EUR&least=12&most=48.999", ["Seats, Extra"]),
        ("currency=EUR&least=12.001", ["Pro plan", "Old"]),
        ("currency=EUR&most=999999999999999", ["Seats, Extra", "Pro plan", "Old"]),
        ("least=12", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("least=abc&currency=EUR", ["Seats, Extra", "Pro plan", "Trial", "Old"]),
        ("contact=1e30", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
        ("contact=0", ["Seats, Extra", "Pro plan", "Trial", "Yearly", "Old"]),
    ],
)
def test_the_list_is_filtered_and_sorted(one_day: None, staff_client: Client, query: str, found: list[str]) -> None:
    """`{3}` stands for the day in three days."""
    asked = re.sub(r"\{(-?\d+)\}", lambda days: day(int(days[1])), query)
    assert names(text(staff_client, f"{LIST}?{asked}")) == found


def day(days: int) -> str:
    return str(timezone.localdate() + timedelta(days=days))


@pytest.mark.usefixtures("several")
def test_days_of_the_next_payment_stay_in_the_form_and_reach_the_export(marketer_client: Client) -> None:
    asked = f"next_from={day(2)}&next_to={day(21)}"
    page = text(marketer_client, f"{LIST}?{asked}")
    for name, value in (("Next payment from", day(2)), ("Next payment to", day(21))):
        assert re.search(rf'<input type="date" [^>]*value="{value}"[^>]*aria-label="{name}"', page), name
    assert '<details class="more filters-more" open>' in page
    response = marketer_client.post(f"{reverse('recurring_payments:export')}?{asked}")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == ["Pro plan", "Trial"]


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
    assert [row["name"] for row in rows] == ["Seats, Extra"]
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
