"""Every field of a recurring payment: declared once, as text for people, in one order (B027, B029 to B035)."""

from __future__ import annotations

import re
import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.utils import translation

from common import fields as catalogue
from common.models import FieldOrder
from common.record_fields import DASH
from recurring_payments.display import amount, display, per, source_url, split, status_badge
from recurring_payments.field_order import ORDER
from recurring_payments.fields import BY_KEY, FIELDS, SHARED_KEYS
from recurring_payments.models import RecurringPayment
from tests.recurring_payments.rows import PRO

NOT_FIELDS = {"id", "contact", "created_at"}


def row(**values: Any) -> RecurringPayment:
    return RecurringPayment(**(PRO | {"store_recurring_payment_id": "sub_1"} | values))


def text(key: str, **values: Any) -> str:
    return display(BY_KEY[key], row(**values))


def test_every_column_is_declared_once_and_sixty_are_shared() -> None:
    """B034: 58 named rows of the article, the one that lost its name, and one more of the reference."""
    columns = {field.name for field in RecurringPayment._meta.concrete_fields} - NOT_FIELDS
    assert {field.key for field in FIELDS} == columns
    assert len(FIELDS) == len(columns)
    assert len(SHARED_KEYS) == 60
    assert SHARED_KEYS[0] == "legacy_connection_id"
    assert SHARED_KEYS[-1] == "billing_email"


def test_the_field_catalogue_knows_them() -> None:
    known = catalogue.catalogue("recurring_payment")
    assert list(known) == [field.key for field in FIELDS]
    assert "PAYMENT_FAILED" in known["normalized_status"].choices


@pytest.mark.parametrize(
    ("key", "sources"),
    [
        ("next_payment_date", ["Stripe", "PayPal", "WooCommerce", "API store"]),
        ("payment_method_expiration", ["Stripe", "WooCommerce", "API store"]),
        ("line_item_brands", ["Stripe", "WooCommerce", "API store"]),
        ("shipping_line3", ["API store"]),
        ("shipping_phone", ["Stripe", "WooCommerce", "API store"]),
        ("billing_phone", ["Stripe", "PayPal", "WooCommerce", "API store"]),
        ("billing_city", ["Stripe", "WooCommerce", "API store"]),
        ("billing_first_name", ["Stripe", "PayPal", "WooCommerce", "API store"]),
        ("trial_end_date", ["Stripe"]),
    ],
)
def test_a_field_says_which_sources_support_it(key: str, sources: list[str]) -> None:
    """B035: empty in the table of section 2 means not supported."""
    assert BY_KEY[key].source_names == sources


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("payment_amount", {}, "€49.00"),
        ("payment_amount", {"currency": "JPY"}, "¥4,900"),
        ("payment_amount", {"currency": "KWD", "payment_amount": 1250}, "KWD\xa01.250"),
        ("payment_amount", {"currency": "ISK", "payment_amount": 500000}, "ISK\xa05,000.00"),
        ("payment_amount", {"payment_amount": None}, DASH),
        ("discount_amount", {}, "€0.00"),
        ("next_payment_date", {}, "Dec 1, 2026"),
        ("next_payment_date", {"next_payment_date": None}, DASH),
        ("billing_interval", {}, "1 month"),
        ("billing_interval", {"billing_interval": "YEARLY", "billing_interval_count": 3}, "3 years"),
        ("billing_interval", {"billing_interval": "WEEKLY", "billing_interval_count": None}, "1 week"),
        ("total_cycles", {}, "No end"),
        ("total_cycles", {"total_cycles": 1200}, "1,200"),
        ("payment_method_expiration", {"payment_method_expiration": date(2028, 8, 1)}, "08/2028"),
        ("billing_country", {}, "Spain"),
        ("billing_country", {"billing_country": "Narnia"}, "Narnia"),
        ("is_trial", {}, "No"),
        ("cancel_at_period_end", {"cancel_at_period_end": True}, "Yes"),
        ("line_item_names", {"line_item_names": ["Pro plan", "Seats"]}, "Pro plan, Seats"),
        ("notes", {"notes": []}, DASH),
        ("normalized_status", {"normalized_status": "CANCELLED"}, "Cancelled"),
        ("normalized_status", {"normalized_status": "PAYMENT_FAILED", "store_status": "past_due"}, "Past due"),
        ("last_payment_status", {}, "Paid"),
        ("last_payment_status", {"last_payment_status": "PARTIALLY_REFUNDED"}, "Partially refunded"),
        ("store_status", {}, "active"),
        ("legacy_connection_id", {"legacy_connection_id": 1234567}, "1234567"),
        ("collection_method", {"collection_method": "charge_automatically"}, "Charge automatically"),
        ("source", {"source": "woocommerce"}, "WooCommerce"),
        ("source", {"source": "elsewhere"}, "Elsewhere"),
    ],
)
def test_a_value_is_shown_in_words(key: str, values: dict[str, Any], words: str) -> None:
    assert text(key, **values) == words


def test_amounts_and_dates_follow_the_readers_language() -> None:
    with translation.override("de"):
        assert text("payment_amount").replace("\xa0", " ") == "49,00 €"
        assert text("next_payment_date") == "01.12.2026"
        assert text("billing_country") == "Spanien"
        assert text("billing_interval", billing_interval_count=2) == "2 Monate"


def test_every_field_can_be_shown_full_and_bare() -> None:
    """B027: every field has a value or a dash, whatever the source gave."""
    synced = datetime(2026, 11, 1, tzinfo=UTC)
    about = {"source": "api", "account": "1", "store_recurring_payment_id": "1", "normalized_status": "PENDING"}
    bare = RecurringPayment(**about, last_synced_at=synced)
    for one in (bare, row(is_trial=True, last_synced_at=synced)):
        filled, empty = split(FIELDS, one)
        assert len(filled) + len(empty) == len(FIELDS)
        assert all(value.text not in ("", DASH) for value in filled)
        assert all(value.text == DASH for value in empty)
    assert display(BY_KEY["total_cycles"], bare) != DASH


@pytest.mark.parametrize(
    ("status", "told", "badge"),
    [
        ("ACTIVE", "active", ("ok", "Active")),
        ("PENDING", "incomplete", ("info", "Pending")),
        ("PAYMENT_FAILED", "unpaid", ("bad", "Payment failed")),
        ("PAYMENT_FAILED", "past_due", ("warn", "Past due")),
        ("PAUSED", "past_due", ("neutral", "Paused")),
        ("CANCELLED", "canceled", ("neutral", "Cancelled")),
        ("EXPIRED", "incomplete_expired", ("neutral", "Expired")),
    ],
)
def test_each_status_has_one_word_and_one_colour(status: str, told: str, badge: tuple[str, str]) -> None:
    assert status_badge(row(normalized_status=status, store_status=told)) == badge


def test_the_amount_says_how_often() -> None:
    assert (amount(row()), per(row())) == ("€49.00", "/ month")
    assert per(row(billing_interval_count=3)) == "/ 3 months"
    assert per(row(billing_interval="")) == ""
    assert (amount(row(payment_amount=None)), per(row(payment_amount=None))) == (DASH, "")


def test_its_page_in_stripe_knows_test_mode() -> None:
    assert source_url(row()) == "https://dashboard.stripe.com/acct_1/subscriptions/sub_1"
    assert source_url(row(is_test=True)) == "https://dashboard.stripe.com/acct_1/test/subscriptions/sub_1"
    assert source_url(row(source="paypal")) == ""


def test_a_link_is_made_of_safe_addresses_only() -> None:
    filled, _ = split([BY_KEY["latest_invoice_url"]], row(latest_invoice_url="javascript:alert(1)"))
    assert filled[0].url == ""


# --- The order ---


def keys() -> list[str]:
    return [field.key for field in ORDER.ordered()]


@pytest.mark.django_db
def test_the_order_begins_with_what_people_ask_for_first() -> None:
    assert keys()[:7] == [
        "next_payment_date",
        "last_payment_date",
        "last_payment_status",
        "start_date",
        "total_cycles",
        "billing_interval",
        "payment_amount",
    ]
    assert keys()[7] == "legacy_connection_id"
    assert sorted(keys()) == sorted(BY_KEY)


@pytest.mark.django_db
def test_an_order_keeps_every_field_whatever_was_stored() -> None:
    """A field that came later stands at the end; one that is gone, or is named twice, does no harm."""
    FieldOrder.objects.create(pk="recurring-payments", keys=["name", "gone", "email", "name"])
    assert keys()[:3] == ["name", "email", "next_payment_date"]
    assert sorted(keys()) == sorted(BY_KEY)
    gone = [f"gone_{number}" for number in range(9)]
    FieldOrder.objects.update(keys=[*gone, "currency"])
    held = FieldOrder.objects.annotate(first=ORDER.first_keys()).get()
    assert [field.key for field in ORDER.shown_on_contact(held.first)] == keys()[:5]
    assert keys()[:2] == ["currency", "next_payment_date"]
    assert ORDER.put(["<script>", "currency"])[:2] == ["currency", "next_payment_date"]


@pytest.mark.django_db
def test_a_field_moves_by_one_and_stops_at_the_ends() -> None:
    ORDER.move("last_payment_date", -1)
    assert keys()[:2] == ["last_payment_date", "next_payment_date"]
    ORDER.move("last_payment_date", -1)
    assert keys()[0] == "last_payment_date"
    last = keys()[-1]
    ORDER.move(last, 1)
    assert keys()[-1] == last
    before = keys()
    ORDER.move("unknown", 1)
    assert keys() == before


@pytest.mark.django_db(transaction=True)
def test_two_people_moving_fields_at_once_lose_no_move() -> None:
    """Each moves another field three places; both arrive, and there is one order."""
    barrier = threading.Barrier(2)
    problems: list[Exception] = []

    def push(key: str) -> None:
        try:
            barrier.wait(10)
            for _ in range(3):
                ORDER.move(key, -1)
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=push, args=(key,)) for key in (keys()[20], keys()[40])]
    moved = keys()[20], keys()[40]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not problems
    assert FieldOrder.objects.count() == 1
    assert (keys().index(moved[0]), keys().index(moved[1])) == (17, 37)


def test_labels_are_plain_words() -> None:
    assert all(re.match(r"[A-Z][A-Za-z0-9 ]+$", field.label) for field in FIELDS)
    assert len({field.label for field in FIELDS}) == len(FIELDS)
