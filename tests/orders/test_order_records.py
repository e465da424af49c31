"""Orders written: once, whatever told of them, and with what happened on the timeline."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.models import Activity, Contact
from orders.models import Order, OrderItem, OrderReference
from orders.records import Item, upsert
from tests.orders.conftest import START, bought, order_record

pytestmark = pytest.mark.django_db


def told() -> list[tuple[str, str]]:
    found = Activity.objects.filter(kind__startswith="order.").order_by("dedupe")
    return [(activity.kind, activity.summary) for activity in found]


def references() -> list[str]:
    return list(OrderReference.objects.order_by("reference").values_list("reference", flat=True))


def test_an_order_is_written_with_items_references_and_activities() -> None:
    """A007, A028"""
    contact = Contact.objects.create(email="ana@example.com")
    items = (Item("Pro plan", "price_pro", 2, 4000), Item("Setup", "", 1, 900))
    bought(order_record(contact=contact.pk, references=("invoice:in_1", "payment_intent:pi_1"), items=items))
    order = Order.objects.get()
    assert (order.contact_id, order.external_id, order.status, order.total) == (contact.pk, "in_1", "paid", 4900)
    assert list(order.items.values_list("name", "sku", "quantity", "amount")) == [
        ("Pro plan", "price_pro", 2, 4000),
        ("Setup", "", 1, 900),
    ]
    assert references() == ["invoice:in_1", "payment_intent:pi_1"]
    assert told() == [("order.created", "Order of 49.00 EUR placed"), ("order.paid", "Order of 49.00 EUR paid")]
    assert set(contact.activities.values_list("data__external_id", flat=True)) == {"in_1"}


def test_writing_twice_equals_once() -> None:
    record = order_record(references=("invoice:in_1", "charge:ch_1"))
    bought(record)
    first = Order.objects.values().get()
    bought(record)
    bought(record, record)
    assert Order.objects.values().get() == first
    assert (OrderItem.objects.count(), OrderReference.objects.count(), len(told())) == (1, 2, 2)


@pytest.mark.parametrize(
    ("status", "refunded", "expected"),
    [
        ("pending", 0, ["order.created"]),
        ("failed", 0, ["order.created"]),
        ("cancelled", 0, ["order.created"]),
        ("partially_refunded", 1000, ["order.created", "order.paid", "order.refunded"]),
        ("disputed", 0, ["order.created", "order.disputed", "order.paid"]),
    ],
)
def test_what_an_order_has_been_through_is_told(status: str, refunded: int, expected: list[str]) -> None:
    bought(order_record(status=status, refunded=refunded))
    assert sorted(kind for kind, _ in told()) == expected


def test_each_amount_refunded_is_told_once() -> None:
    bought(order_record())
    for number, amount in enumerate((1000, 1000, 4900, 4900)):
        status = "refunded" if amount == 4900 else "partially_refunded"
        bought(order_record(status=status, refunded=amount, at=number))
    assert [summary for kind, summary in told() if kind == "order.refunded"] == [
        "Order of 49.00 EUR refunded by 10.00 EUR",
        "Order of 49.00 EUR refunded",
    ]


def test_amounts_are_told_in_the_digits_of_the_currency() -> None:
    bought(order_record(1, currency="JPY", total=4900), order_record(2, currency="KWD", total=4900))
    assert {summary for kind, summary in told() if kind == "order.paid"} == {
        "Order of 4900 JPY paid",
        "Order of 4.900 KWD paid",
    }


def test_an_order_goes_by_a_higher_id_once_it_is_known() -> None:
    bought(order_record(external_id="cs_1", references=("checkout_session:cs_1",), status="pending"))
    bought(order_record(external_id="pi_1", references=("checkout_session:cs_1", "payment_intent:pi_1")))
    assert Order.objects.get().external_id == "pi_1"
    assert [kind for kind, _ in told()] == ["order.created", "order.paid"]


def test_orders_found_to_be_one_are_merged_and_tell_each_thing_once() -> None:
    """A charge and an invoice come first; then a payment says they are one purchase."""
    bought(order_record(1, external_id="pi_1", references=("charge:ch_1", "payment_intent:pi_1")))
    bought(order_record(2, external_id="in_1", references=("invoice:in_1",)))
    Activity.objects.filter(data__external_id="in_1").update(dispatched_at=START)
    older = Order.objects.order_by("pk").first()
    together = ("charge:ch_1", "invoice:in_1", "invoice_payment:inpay_1", "payment_intent:pi_1")
    bought(order_record(3, external_id="in_1", references=together))
    order = Order.objects.get()
    assert older and order.pk == older.pk and order.external_id == "in_1"
    assert references() == list(together)
    assert [kind for kind, _ in told()] == ["order.created", "order.paid"]
    assert set(Activity.objects.values_list("data__order", flat=True)) == {order.pk}
    assert not Activity.objects.filter(dispatched_at=None).exists(), "automations would start again"
    assert OrderItem.objects.count() == 1


def test_a_merge_keeps_what_only_one_of_them_told() -> None:
    bought(order_record(1, external_id="pi_1", references=("payment_intent:pi_1",), status="pending"))
    bought(order_record(2, external_id="in_1", status="partially_refunded", refunded=900))
    both = ("invoice:in_1", "payment_intent:pi_1")
    bought(order_record(3, external_id="in_1", references=both, status="partially_refunded", refunded=900))
    assert [kind for kind, _ in told()] == ["order.created", "order.paid", "order.refunded"]


def test_an_order_without_a_contact_finds_it_later_with_its_timeline() -> None:
    bought(order_record())
    contact = Contact.objects.create(email="ana@example.com")
    bought(order_record(contact=contact.pk))
    bought(order_record(contact=None))
    assert Order.objects.get().contact == contact
    assert contact.activities.count() == 2


def test_records_of_one_purchase_in_one_list_make_one_order() -> None:
    bought(
        order_record(1, external_id="cs_1", references=("checkout_session:cs_1",), status="pending", at=0),
        order_record(2, external_id="pi_1", references=("payment_intent:pi_1",), at=1),
        order_record(3, external_id="pi_1", references=("checkout_session:cs_1", "payment_intent:pi_1"), at=2),
    )
    assert Order.objects.get().external_id == "pi_1"
    assert len(told()) == 2


def test_the_same_id_of_another_account_or_mode_is_another_order() -> None:
    bought(order_record(), order_record(is_test=True), order_record(source="paddle"))
    assert Order.objects.count() == 3


def test_silent_orders_start_no_automation() -> None:
    bought(order_record(silent=True))
    assert not Activity.objects.filter(dispatched_at=None).exists()


def test_lines_are_replaced_where_they_differ() -> None:
    bought(order_record(items=(Item("A", "", 1, 1), Item("B", "", 1, 2))))
    bought(order_record(items=(Item("B", "", 1, 2),)))
    assert list(OrderItem.objects.values_list("position", "name")) == [(0, "B")]


def test_a_page_of_orders_takes_a_few_statements() -> None:
    def statements(first: int, count: int) -> int:
        page = [
            order_record(number, references=(f"invoice:in_{number}", f"charge:ch_{number}"))
            for number in range(first, first + count)
        ]
        with CaptureQueriesContext(connection) as made:
            upsert(page)
        return len(made)

    assert statements(0, 100) == statements(1000, 10) <= 10


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_make_the_same_order_at_once_make_one() -> None:
    """The loser is told by the database, rolls back and tries again."""
    barrier = Barrier(4)

    def write(number: int) -> None:
        barrier.wait(timeout=10)
        for _ in range(5):
            try:
                with transaction.atomic():
                    upsert([order_record(number, external_id="in_1", references=("invoice:in_1", "charge:ch_1"))])
                break
            except IntegrityError:
                continue
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert (Order.objects.count(), OrderReference.objects.count(), OrderItem.objects.count()) == (1, 2, 1)
    assert len(told()) == 2
