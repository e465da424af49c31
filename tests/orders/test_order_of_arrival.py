"""A purchase is told once on the timeline, whichever of its facts arrives first."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.db.models.functions import Now

from common.origin import Origin
from connections import inbox, stored_events
from connections.models import Connection, InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.sources.stripe import shapes, translate
from contacts.models import Activity
from orders.models import Order
from sandbox.stripe import SandboxAccount
from tests.connections.conftest import account, connect, stripe, work  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)
FACTS = ("invoice.finalized", "charge.succeeded", "invoice.paid", "invoice_payment.paid")


@pytest.fixture
def facts(
    account: SandboxAccount,  # noqa: F811
    connect: Callable[..., Resource],  # noqa: F811
) -> dict[str, dict[str, Any]]:
    """The events that tell of one paid invoice, by type; the customer is known already."""
    for kind in ("customer", "charge", "invoice"):
        connect(kind)
    customer = account.create_customer(email="ana@example.com", name="Ana López")
    account.subscribe(customer["id"], amount=4900, currency="eur")
    by_type = {event["type"]: event for event in account.events()}
    tell(by_type["customer.created"])
    work()
    return by_type


def tell(*events: dict[str, Any]) -> None:
    """Receive these events and work them in one batch."""
    for event in events:
        body = json.dumps(event).encode()
        stored_events.store(Connection.objects.get(), translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    inbox.drain()


def told() -> list[str]:
    return sorted(Activity.objects.filter(kind__startswith="order.").values_list("kind", flat=True))


def forget() -> None:
    for model in (Order, SyncLogEntry, InboundEvent):
        model.objects.all().delete()
    Activity.objects.filter(kind__startswith="order.").delete()
    RemoteObject.objects.exclude(type="customer").delete()


def test_one_by_one_in_any_order(facts: dict[str, Any]) -> None:
    """A029: two orders may stand for a moment; one remains, created once and paid once."""
    for order in permutations(FACTS):
        forget()
        most = 0
        for type_ in order:
            tell(facts[type_])
            most = max(most, Order.objects.count())
            # Somebody who reacts to activities looks after each event.
            Activity.objects.filter(dispatched_at=None).update(dispatched_at=Now())
        kept = Order.objects.get()
        assert (kept.total, kept.status) == (4900, "paid"), order
        assert told() == ["order.created", "order.paid"], order
        activities = Activity.objects.filter(kind__startswith="order.")
        assert {activity.data["order"] for activity in activities} == {kept.pk}, order
        assert {activity.contact_id for activity in activities} == {kept.contact_id}, order
        assert most <= 2, order


def test_the_tie_first_or_all_at_once_makes_one_order_from_the_start(facts: dict[str, Any]) -> None:
    """What reacts sees one creation unless charge and invoice come in different batches before their tie."""
    for order in permutations(FACTS):
        forget()
        tell(*(facts[type_] for type_ in order))
        assert told() == ["order.created", "order.paid"], order
    for rest in permutations(FACTS[:3]):
        forget()
        for type_ in ("invoice_payment.paid", *rest):
            tell(facts[type_])
            assert Order.objects.count() <= 1, rest


def test_what_was_seen_stays_and_what_was_not_is_not_told_again(facts: dict[str, Any]) -> None:
    tell(facts["charge.succeeded"])
    Activity.objects.filter(dispatched_at=None).update(dispatched_at=Now())
    seen = set(Activity.objects.filter(kind__startswith="order.").values_list("pk", flat=True))
    tell(facts["invoice.paid"], facts["invoice_payment.paid"])
    assert set(Activity.objects.filter(kind__startswith="order.").values_list("pk", flat=True)) == seen
    assert not Activity.objects.filter(kind__startswith="order.", dispatched_at=None).exists()


@pytest.mark.parametrize(("reference", "named"), [("in_1", ["invoice:in_1"]), ("PO-7", []), (None, [])])
def test_a_payment_intent_may_name_its_invoice(reference: str | None, named: list[str]) -> None:
    body = {"id": "pi_1", "object": "payment_intent", "payment_details": {"order_reference": reference}}
    assert shapes.references(body) == named
