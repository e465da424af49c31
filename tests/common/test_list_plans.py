"""How PostgreSQL finds what the lists of recurring payments and orders show: with rows enough that reading the table
would be dearer, as autovacuum leaves it, and no setting of the planner changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.http import QueryDict
from pytest_django.plugin import DjangoDbBlocker

from bench import crowd, explained, mixture, plans
from contacts.models import Contact
from orders.filters import OrderFilter
from orders.models import Order
from recurring_payments.filters import RecurringPaymentFilter
from recurring_payments.models import RecurringPayment
from tests.orders.conftest import bought, order_record
from tests.recurring_payments.rows import payment
from tests.waiting import eventually

ROWS = 10_000
FILTERS = {"recurring payments": RecurringPaymentFilter, "orders": OrderFilter}
TABLES = [model._meta.db_table for model in (Contact, RecurringPayment, Order)]


@pytest.fixture(scope="module")
def crowded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """The primary key of the contact that has 50 recurring payments and 500 orders. For real, as only what is
    committed can be vacuumed.
    """
    with django_db_blocker.unblock():
        try:
            with connection.cursor() as cursor:
                # A session that some test before left behind would keep vacuum from finding anything.
                cursor.execute(_LEFT_BEHIND)
            ana = Contact.objects.create(email="ana@example.com", email_key="ana@example.com")
            payment(ana)
            bought(order_record(contact=ana.pk))
            first = crowd.customers(ROWS // 2, ROWS, ROWS, mixture.MADE)
            eventually(settled, timeout=180)
            yield first
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"truncate {', '.join(TABLES)} restart identity cascade")


def settled() -> bool:
    """Whether vacuum found the rows to be seen by all. PostgreSQL's own analysis, while it runs, sees what was. Pages
    added ahead of rows that did not come are never marked.
    """
    crowd.settle()
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [TABLES])
        return bool(cursor.fetchone()[0])


_LEFT_BEHIND = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
_SEEN = "select bool_and(relallvisible >= relpages * 0.97) from pg_class where relname = any(%s)"
# Reading one after the other is as quick as by any index where nearly all are counted: an order has a third of a KB.
NEARLY_ALL = ("source=stripe", "account=acct_crowd", "mode=live", "status=paid")
# A sixth of all names has the word; by their index nearly all rows would be read before the first of these.
IN_MANY_NAMES = "product=plan+3"
# One in forty, not side by side in any index: until a page of them is found two thousand rows are read, however many
# there are, and that is a larger part of these than of a large table.
SCATTERED = "status=cancelling"


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "asked"), [(name, asked) for name in plans.ASKED for asked in plans.ASKED[name]])
def test_counts_and_pages_of_every_order_use_indexes(crowded: int, name: str, asked: str) -> None:
    counted, pages = plans.plans(*plans.lists()[name], asked)
    reads_table = {what for what, plan in {"count": counted, **pages}.items() if plan.reads_table}
    if name == "orders" and asked in NEARLY_ALL:
        reads_table.discard("count")
    if name == "recurring payments" and asked == IN_MANY_NAMES:
        reads_table -= {"name", "-name"}
    if asked == SCATTERED:
        reads_table &= {"count"}
    assert not reads_table


@pytest.mark.django_db
def test_the_list_of_a_contact_is_counted_from_the_rows_of_the_contact(crowded: int) -> None:
    for name, rows in (("recurring payments", 50), ("orders", 500)):
        counted, pages = plans.plans(*plans.lists()[name], f"contact={crowded}")
        assert rows <= counted.rows <= rows + 10
        assert not any(plan.reads_table for plan in pages.values())


@pytest.mark.django_db
def test_an_order_is_found_by_its_number_alone(crowded: int) -> None:
    assert not explained.page(OrderFilter.numbered("crowd-77")).reads_table


@pytest.mark.parametrize("name", plans.ASKED)
def test_every_filter_is_asked_for(db: None, name: str) -> None:
    asked = {key for query in plans.ASKED[name] for key in QueryDict(query)}
    assert asked == set(FILTERS[name].base_filters) - {"contact"}
