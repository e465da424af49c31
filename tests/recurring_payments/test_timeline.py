"""Recurring payments and orders on the timeline of a contact, in plain words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from contacts.models import Contact
from recurring_payments import words
from recurring_payments.models import RecurringPayment
from tests.orders.conftest import bought, order_record
from tests.recurring_payments.rows import PRO, payment, tell

Changes = dict[str, tuple[Any, Any]]
DECEMBER, JANUARY = "2026-12-01T09:00:00+00:00", "2027-01-01T09:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"payment_amount": (2900, 3900), "mrr_amount": (2900, 3900)}, "price went from 29.00 EUR to 39.00 EUR"),
        ({"payment_amount": (None, 3900)}, "price is 39.00 EUR"),
        ({"payment_amount": (500, 2900), "currency": ("JPY", "EUR")}, "price went from 500 JPY to 29.00 EUR"),
        ({"mrr_amount": (2900, 5800)}, "brings 58.00 EUR a month instead of 29.00 EUR"),
        (
            {"billing_interval": ("MONTHLY", "YEARLY"), "payment_amount": (2900, 29000)},
            "price went from 29.00 EUR to 290.00 EUR, billed every year instead of every month",
        ),
        ({"billing_interval_count": (1, 3)}, "billed every 3 months instead of every month"),
        ({"name": ("Solo plan", "Pro plan"), "mrr_amount": (0, 10)}, "changed from Solo plan to Pro plan"),
        (
            {"cancel_at_period_end": (False, True), "cancel_at": (None, JANUARY), "cancelled_date": (None, DECEMBER)},
            "will cancel on Jan 1, 2027",
        ),
        ({"cancel_at_period_end": (False, True)}, "will cancel on Mar 1, 2027"),
        ({"cancel_at": (DECEMBER, JANUARY)}, "will cancel on Jan 1, 2027"),
        ({"cancel_at_period_end": (True, False), "cancel_at": (DECEMBER, None)}, "will not cancel any more"),
        (
            {"normalized_status": ("ACTIVE", "CANCELLED"), "cancel_at_period_end": (True, False), "mrr_amount": (9, 0)},
            "cancelled",
        ),
        ({"normalized_status": ("ACTIVE", "EXPIRED"), "next_payment_date": (DECEMBER, None)}, "expired"),
        ({"normalized_status": ("ACTIVE", "PAUSED"), "next_payment_date": (DECEMBER, None)}, "paused, no next payment"),
        ({"normalized_status": ("PAUSED", "ACTIVE")}, "resumed"),
        ({"normalized_status": ("PENDING", "ACTIVE")}, "active"),
        ({"normalized_status": ("ACTIVE", "PAYMENT_FAILED"), "store_status": ("active", "past_due")}, "past due"),
        ({"normalized_status": ("ACTIVE", "PAYMENT_FAILED"), "store_status": ("active", "unpaid")}, "payment failed"),
        (
            {"normalized_status": ("PAYMENT_FAILED", "ACTIVE"), "last_payment_status": ("DECLINED", "COMPLETED")},
            "active again, payment received",
        ),
        ({"store_status": ("past_due", "unpaid")}, "went from past due to unpaid"),
        ({"is_trial": (True, False), "store_status": ("trialing", "active")}, "trial ended"),
        (
            {"last_payment_date": (DECEMBER, JANUARY), "next_payment_date": (DECEMBER, JANUARY)},
            "payment received, next payment on Jan 1, 2027",
        ),
        ({"last_payment_status": ("COMPLETED", "DECLINED")}, "payment declined"),
        ({"last_payment_status": ("COMPLETED", "REFUNDED")}, "last payment refunded"),
        ({"last_payment_status": ("REFUNDED", "COMPLETED")}, "refund failed"),
        ({"payment_method_expiration": ("2026-12-01", "2031-08-01")}, "card expires 08/2031"),
        ({"cancelled_date": (DECEMBER, JANUARY)}, "cancelled date changed"),
    ],
)  # fmt: skip
def test_a_change_is_a_sentence(changes: Changes, sentence: str) -> None:
    """What says most comes first; what only follows from it is left out."""
    row = RecurringPayment(**PRO | {"current_period_end": datetime(2027, 3, 1, tzinfo=UTC)})
    assert words.updated(row, changes) == f"Pro plan: {sentence}"


def test_a_long_name_leaves_room_for_what_happened() -> None:
    row = RecurringPayment(**PRO | {"name": "Mill " * 90})
    told = words.updated(row, {"normalized_status": ("ACTIVE", "PAUSED")})
    assert len(told) < 300 and told.endswith("…: paused")
    assert words.started(RecurringPayment(is_trial=True)) == "Recurring payment: trial started"


@pytest.fixture
def ana(db: None) -> Contact:
    return Contact.objects.create(email="ana@example.com", first_name="Ana")


@pytest.fixture
def timeline(staff_client: Client, ana: Contact) -> Any:
    def read() -> str:
        return staff_client.get(reverse("contacts:activity", args=[ana.pk])).content.decode()

    return read


def cells(page: str) -> list[tuple[str, ...]]:
    """(field, before, after) of every change, without markup."""
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    return [tuple(re.sub(r"<[^>]+>", "", cell) for cell in row) for row in rows]


def test_changed_fields_have_their_names_and_values_as_the_details_show_them(ana: Contact, timeline: Any) -> None:
    """Labels of the catalogue, money in its currency, dates as everywhere, statuses in the words of the badges."""
    changes: Changes = {
        "normalized_status": ("ACTIVE", "PAYMENT_FAILED"),
        "store_status": ("active", "past_due"),
        "payment_amount": (500, 2900),
        "currency": ("JPY", "EUR"),
        "next_payment_date": (None, DECEMBER),
        "billing_interval": ("WEEKLY", "MONTHLY"),
        "is_trial": (True, False),
        "payment_method_expiration": ("2026-12-01", None),
        "last_payment_status": ("", "DECLINED"),
    }
    row = payment(ana)
    tell(row, changes)
    assert cells(timeline()) == [
        ("Recurring payment status", "Active", "Past due"),
        ("Store status", "active", "past_due"),
        ("Payment amount", "¥500", "€29.00"),
        ("Currency", "JPY", "EUR"),
        ("Next payment date", "–", "Dec 1, 2026"),
        ("Billing interval", "Weekly", "Monthly"),
        ("Is trial", "Yes", "No"),
        ("Payment method expiration", "12/2026", "–"),
        ("Last payment status", "–", "Declined"),
    ]


def test_a_line_leads_to_the_drawer_of_the_recurring_payment_and_of_the_order(ana: Contact, timeline: Any) -> None:
    row = payment(ana)
    tell(row, {"payment_amount": (2900, 4900)})
    bought(order_record(contact=ana.pk))
    page = timeline()
    for url in (row.get_absolute_url(), ana.orders.get().get_absolute_url()):
        assert f'<a href="{url}" hx-get="{url}" hx-target="#layer" hx-swap="innerHTML">' in page
