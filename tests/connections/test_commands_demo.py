"""`seed_demo`: the account the demo begins with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F, QuerySet

from connections import setup
from connections.models import Connection, FieldMapping, Resource, SyncRun
from contacts.models import Contact, CustomField
from orders.models import Order
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, serve
from sandbox.stripe import demo as demo_world
from tests.connections.conftest import work

SHOWN = ("ACTIVE", "PAYMENT_FAILED", "PAUSED", "CANCELLED")
BOUGHT = ("paid", "failed", "partially_refunded", "refunded", "disputed")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo_sandbox(settings: Any) -> Iterator[Sandbox]:
    with serve(demo_world.build()) as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        settings.SITE_URL = "http://127.0.0.1:9"
        settings.DEMO = True
        sandbox.hold()
        yield sandbox


def test_the_demo_begins_with_an_account_and_its_history(demo_sandbox: Sandbox) -> None:
    """Issue: about 300 customers with all five resources, already connected by webhook; twice equals once."""
    call_command("seed_demo")
    connection = Connection.objects.get()
    assert (connection.name, connection.state, connection.polls) == ("Northwind Studio", "active", False)
    assert set(connection.resources.values_list("kind", flat=True)) == set(Resource.Kind.values)
    assert list(SyncRun.objects.values_list("state", flat=True)) == ["queued"] * 5
    work()

    assert SyncRun.objects.filter(state="done").count() == 5
    assert 290 <= Contact.objects.count() <= 300
    assert set(CustomField.objects.values_list("label", flat=True)) == {
        "Plan",
        "Company",
        "Country",
        "Customer since",
    }
    for key in CustomField.objects.values_list("key", flat=True):
        assert Contact.objects.filter(custom__has_key=key).count() > 50

    missing = {name for name, found in what_must_be_seen().items() if not found.exists()}
    assert not missing
    for rows in (RecurringPayment.objects.all(), Order.objects.all()):
        assert rows.order_by().values("currency").distinct().count() >= 3

    call_command("seed_demo")
    assert (Connection.objects.count(), SyncRun.objects.count(), FieldMapping.objects.count()) == (1, 5, 5)


def what_must_be_seen() -> dict[str, QuerySet[Any]]:
    """Rows that a look at the demo finds, by what they show."""
    payments, orders = RecurringPayment.objects.all(), Order.objects.all()
    running = payments.filter(normalized_status="ACTIVE")
    statuses = {f"recurring payment {status}": payments.filter(normalized_status=status) for status in SHOWN}
    states = {f"order {status}": orders.filter(status=status) for status in BOUGHT}
    return statuses | states | {
        "trial": running.filter(is_trial=True, trial_end_date__isnull=False),
        "past due": payments.filter(store_status="past_due", next_payment_date__isnull=False),
        "unpaid": payments.filter(store_status="unpaid", last_payment_status="DECLINED"),
        "paid after it had failed": payments.filter(last_payment_status="COMPLETED", failed_payment_count__gt=0),
        "ends with its period": running.filter(cancel_at=F("current_period_end"), next_payment_date=None),
        "ends later": running.filter(cancel_at__gt=F("current_period_end"), next_payment_date__isnull=False),
        "tax": running.filter(tax_amount__gt=0),
        "shipping": running.filter(shipping_amount__gt=0),
        "discount": running.filter(discount_amount__gt=0, discount_code="FRIENDS10"),
        "card": running.filter(payment_method_expiration__isnull=False).exclude(payment_method_last4=""),
        "every year": payments.filter(billing_interval="YEARLY"),
        "order with tax": orders.filter(tax__gt=0),
        "order with shipping": orders.filter(shipping__gt=0),
        "order with a discount": orders.filter(discount__gt=0),
    }  # fmt: skip


def test_what_the_user_did_to_it_stays(demo_sandbox: Sandbox) -> None:
    call_command("seed_demo")
    setup.remove_resource(Resource.objects.get(kind="charge"))
    call_command("seed_demo")
    assert Resource.objects.active().count() == 4
    setup.disconnect(Connection.objects.get())
    call_command("seed_demo")
    assert Connection.objects.get().state == "disconnected"


def test_only_in_the_demo(settings: Any, db: None) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="Only in the demo"):
        call_command("seed_demo")
