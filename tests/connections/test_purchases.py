"""One purchase is one order: from Stripe's objects in shapes old and new, in any order of arrival."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.origin import Origin
from connections.sources.base import HeldObject, Json
from connections.sources.stripe import shapes
from connections.sources.stripe.purchases import PURCHASE_TYPES, OrderValues, order_of
from contacts.models import Activity
from orders import records
from orders.models import Order, OrderItem, OrderReference
from orders.records import Item, OrderRecord

FIXTURES = Path(__file__).parents[1] / "fixtures" / "stripe"
OLD = ("2020-08-27", "2022-11-15", "2025-01-27.acacia")
PINNED = ""
VERSIONS = (*OLD, PINNED)
CREATED = 1_790_000_000
START = datetime.fromtimestamp(CREATED, UTC)


def fixture(kind: str, version: str = PINNED, **changes: Any) -> Json:
    """Stripe's own object of that version (the current one where a version has none), with believable values."""
    folder = FIXTURES / "legacy" / version if version else FIXTURES
    path = folder / f"{kind}.json"
    body: Json = json.loads((path if path.exists() else FIXTURES / f"{kind}.json").read_text())
    return deepcopy(body) | changes


def held(body: Json, *, at: int = 0, event_type: str = "") -> HeldObject:
    kind = shapes.object_type(body)
    return HeldObject(kind, body["id"], START + timedelta(seconds=at), body, event_type=event_type)


def charge(version: str = PINNED, **changes: Any) -> Json:
    about = {"id": "ch_1", "amount": 4900, "amount_captured": 4900, "captured": True, "created": CREATED + 20}
    about |= {"currency": "eur", "description": "Pro plan", "status": "succeeded", "customer": "cus_1"}
    about |= {"billing_details": {"email": "card@example.com"}, "receipt_url": "https://pay.example/r"}
    return fixture("charge", version, **(about | changes))


def session(version: str = PINNED, **changes: Any) -> Json:
    about = {"id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "amount_total": 4900}
    about |= {"currency": "eur", "payment_intent": "pi_1", "customer_details": {"email": "buyer@example.com"}}
    about |= {"total_details": {"amount_tax": 782, "amount_discount": 100, "amount_shipping": 490}}
    if version != "2020-08-27":
        about["created"] = CREATED
    return fixture("checkout_session", version, **(about | changes))


def invoice(version: str = PINNED, **changes: Any) -> Json:
    line = {"id": "il_1", "object": "line_item", "amount": 4000, "description": "2 × Pro plan", "quantity": 2}
    if version:
        line["price"] = {"id": "price_pro", "lookup_key": None}
        taxes: Json = {"tax": 900, "total_tax_amounts": [{"amount": 900}]}
    else:
        line["pricing"] = {"type": "price_details", "price_details": {"price": "price_pro", "product": "prod_1"}}
        taxes = {"total_taxes": [{"amount": 900}]}
    about: Json = {"id": "in_1", "status": "paid", "total": 4900, "currency": "eur", "created": CREATED + 10}
    about |= {"number": "NW-0001", "customer": "cus_1", "customer_email": "bill@example.com", "description": None}
    about |= {"lines": {"object": "list", "data": [line]}, "total_discount_amounts": [{"amount": 500}], **taxes}
    about |= {"shipping_cost": {"amount_subtotal": 400, "amount_tax": 90, "amount_total": 490}}
    about |= {"hosted_invoice_url": "https://invoice.example/1", "parent": None, "subscription": None}
    about |= {"status_transitions": {"paid_at": CREATED + 30}}
    return fixture("invoice", version, **(about | changes))


def intent(version: str = PINNED, **changes: Any) -> Json:
    about = {"id": "pi_1", "amount": 4900, "currency": "eur", "status": "succeeded", "created": CREATED + 5}
    return fixture("payment_intent", version, **(about | changes))


def made(*objects: HeldObject | Json) -> OrderValues:
    values = order_of([one if isinstance(one, HeldObject) else held(one) for one in objects])
    assert values is not None
    return values


def status(*objects: HeldObject | Json) -> str:
    return str(made(*objects).values["status"])


def invoice_purchase(version: str) -> list[Json]:
    """An invoice, what paid it and what ties them, as that version tells it."""
    if version:
        return [
            invoice(version, charge="ch_1", payment_intent="pi_1"),
            intent(version, invoice="in_1"),
            charge(version, invoice="in_1", payment_intent="pi_1"),
        ]
    payment = {"type": "payment_intent", "payment_intent": "pi_1"}
    tie = fixture("invoice_payment", id="inpay_1", invoice="in_1", payment=payment, status="paid")
    return [invoice(), tie, intent(latest_charge="ch_1"), charge(payment_intent="pi_1")]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_invoice_with_its_payment_is_one_order(version: str) -> None:
    """A007: amounts, items, tax, discount and shipping of the invoice."""
    order = made(*invoice_purchase(version))
    assert (order.external_id, order.customer_id, order.email) == ("in_1", "cus_1", "bill@example.com")
    assert {"charge:ch_1", "invoice:in_1", "payment_intent:pi_1"} <= set(order.references)
    assert order.items == (Item("2 × Pro plan", "price_pro", 2, 4000),)
    assert order.values == {
        "status": "paid",
        "currency": "EUR",
        "total": 4900,
        "tax": 900,
        "discount": 500,
        "shipping": 490,
        "refunded": 0,
        "email": "bill@example.com",
        "number": "NW-0001",
        "description": "2 × Pro plan",
        "url": "https://invoice.example/1",
        "placed_at": START + timedelta(seconds=10),
        "paid_at": START + timedelta(seconds=30),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_checkout_with_its_payment_is_one_order(version: str) -> None:
    """A guest bought: no customer, the address is the one that was typed."""
    order = made(session(version), intent(version), charge(version, customer=None, payment_intent="pi_1"))
    assert (order.external_id, order.customer_id, order.email) == ("pi_1", "", "buyer@example.com")
    assert order.references == ("charge:ch_1", "checkout_session:cs_1", "payment_intent:pi_1")
    amounts = {name: order.values[name] for name in ("total", "tax", "discount", "shipping", "refunded")}
    assert amounts == {"total": 4900, "tax": 782, "discount": 100, "shipping": 490, "refunded": 0}
    assert order.values["placed_at"] == START + timedelta(seconds=20 if version == "2020-08-27" else 0)
    assert order.items == (Item("Pro plan", "", 1, 4900),)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_charge_alone_is_an_order(version: str) -> None:
    order = made(charge(version, payment_intent=None, customer=None))
    assert (order.external_id, order.email, order.values["status"]) == ("ch_1", "card@example.com", "paid")
    assert order.values["url"] == "https://pay.example/r"


def test_the_order_of_old_payment_intents_is_read_from_the_charges_inside() -> None:
    inside = {"object": "list", "data": [charge("2020-08-27", payment_intent="pi_1")]}
    order = made(intent("2020-08-27", charges=inside))
    assert (order.external_id, order.values["status"], order.values["total"]) == ("pi_1", "paid", 4900)
    assert order.references == ("charge:ch_1", "payment_intent:pi_1")


def test_the_newer_state_of_a_charge_counts_wherever_it_came() -> None:
    inside = {"object": "list", "data": [charge("2020-08-27", payment_intent="pi_1", amount_refunded=900)]}
    newer = held(intent("2020-08-27", charges=inside), at=60)
    assert made(newer, held(charge("2020-08-27", payment_intent="pi_1"), at=10)).values["refunded"] == 900
    assert made(newer, held(charge("2020-08-27", payment_intent="pi_1"), at=70)).values["refunded"] == 0


def test_lines_of_a_checkout_are_the_items_when_they_are_held() -> None:
    line = {"description": "Mug", "quantity": 2, "amount_total": 2400, "price": {"id": "price_1", "lookup_key": "MUG"}}
    assert made(session(line_items={"data": [line]})).items == (Item("Mug", "MUG", 2, 2400),)


@pytest.mark.parametrize(
    "nothing",
    [
        [invoice(status="draft")],
        [invoice(total=0, amount_due=0)],
        [session(mode="setup", amount_total=None)],
        [session(status="open", payment_status="unpaid")],
        [session(status="expired", payment_status="unpaid")],
        [session(mode="subscription", amount_total=0, payment_status="no_payment_required"), invoice(total=0)],
        [session(mode="subscription", payment_intent=None, subscription="sub_1", invoice=None)],
        [intent(status="requires_payment_method")],
        [fixture("refund", id="re_1", charge="ch_1")],
        [],
    ],
    ids=["draft", "zero", "setup", "open", "expired", "trial", "no invoice yet", "intent", "refund", "none"],
)
def test_what_is_no_purchase_makes_no_order(nothing: list[Json]) -> None:
    assert order_of([held(body) for body in nothing]) is None


def test_what_is_gone_makes_no_order() -> None:
    body = invoice()
    assert order_of([HeldObject("invoice", "in_1", START, body, gone=True)]) is None


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([invoice(status="open")], "pending"),
        ([invoice(status="void")], "cancelled"),
        ([invoice(status="uncollectible")], "cancelled"),
        ([invoice(status="open"), charge(status="failed", invoice="in_1")], "pending"),
        ([invoice(status="open"), charge(invoice="in_1")], "paid"),
        ([session(payment_status="unpaid")], "pending"),
        ([session(payment_status="unpaid"), intent(status="processing")], "pending"),
        (
            [session(payment_status="unpaid"), intent(status="requires_payment_method", last_payment_error={"a": 1})],
            "failed",
        ),
        ([session(payment_status="unpaid"), charge(status="failed", payment_intent="pi_1")], "failed"),
        ([session(payment_status="unpaid"), charge(payment_intent="pi_1")], "paid"),
        ([charge(status="failed")], "failed"),
        ([charge(status="pending")], "pending"),
        ([charge(id="ch_0", status="failed"), charge(payment_intent="pi_1")], "paid"),
        ([charge(captured=False, balance_transaction=None)], "pending"),
        ([charge(captured=False, balance_transaction=None, refunded=True, amount_refunded=4900)], "cancelled"),
        ([charge(amount_refunded=900)], "partially_refunded"),
        ([charge(amount_refunded=4900, refunded=True)], "refunded"),
        ([invoice(), charge(amount_refunded=4900, invoice="in_1")], "refunded"),
        ([charge(disputed=True)], "disputed"),
        ([charge(disputed=True, amount_refunded=4900)], "disputed"),
        ([charge(disputed=True), fixture("dispute", id="dp_1", charge="ch_1", status="won")], "paid"),
        ([charge(), fixture("dispute", id="dp_1", charge="ch_1", status="needs_response")], "disputed"),
        ([charge(), fixture("dispute", id="dp_1", charge="ch_1", status="lost")], "disputed"),
    ],
)
def test_the_status_is_the_strongest_that_holds(objects: list[Json], expected: str) -> None:
    """A025 and the export `orders`."""
    assert status(*objects) == expected


OPEN: Json = {"status": "open", "status_transitions": {"paid_at": None}}
INSTALMENT = charge(amount=2000, amount_captured=2000)
PART = intent(amount=2000, amount_received=2000, latest_charge="ch_1")
ITS_CHARGE: Json = {"amount": 2000, "amount_captured": 2000, "payment_intent": "pi_1"}


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([invoice(**OPEN, amount_due=4900, amount_paid=2000), INSTALMENT, intent(amount=2000)], "pending"),
        ([invoice(**OPEN, amount_due=4900), INSTALMENT], "pending"),
        ([invoice(**OPEN, amount_due=4900), PART], "pending"),
        ([invoice(**OPEN, amount_due=3000), PART, charge(**ITS_CHARGE)], "pending"),
        (
            [invoice(**OPEN, amount_due=4900, amount_paid=2000), INSTALMENT, charge(id="ch_2", amount=2900)],
            "paid",
        ),
        ([invoice(**OPEN, amount_due=4900), charge()], "paid"),
        ([invoice(**OPEN, amount_due=2000), INSTALMENT], "paid"),
        ([invoice(amount_due=4900, amount_paid=4900), INSTALMENT], "paid"),
    ],
    ids=[
        "told",
        "the charge comes first",
        "the payment intent comes first",
        "a charge and its intent count once",
        "the last one comes first",
        "all at once",
        "from a balance",
        "settled",
    ],
)
def test_an_instalment_does_not_pay_the_bill(objects: list[Json], expected: str) -> None:
    """The export `orders`: several payments of an invoice, or a bank transfer of a part."""
    order = made(*objects)
    assert order.values["status"] == expected
    assert bool(order.values["paid_at"]) is (expected == "paid")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "paid"),
        ({"refund": {"amount": 4900, "charge": "ch_1"}}, "refunded"),
        ({"refund": {"amount": 900, "charge": "ch_1"}}, "partially_refunded"),
        ({"dispute": {"charge": "ch_1", "status": "needs_response"}}, "disputed"),
    ],
)
def test_a_payment_intent_pays_without_its_charge(told: dict[str, Json], expected: str) -> None:
    """The export `orders`: what went back or is disputed is told by itself."""
    facts = [fixture(kind, **{"id": f"{kind}_1", "payment_intent": "pi_1", "status": "succeeded"} | about)
             for kind, about in told.items()]  # fmt: skip
    assert status(session(payment_status="unpaid"), intent(latest_charge="ch_1"), *facts) == expected


def test_a_delayed_payment_succeeds_or_fails_by_the_sessions_own_events() -> None:
    """A025: completed, then async_payment_succeeded or async_payment_failed, with nothing else held."""
    unpaid = session(payment_status="unpaid")
    assert status(held(unpaid, event_type="checkout.session.completed")) == "pending"
    assert status(held(session(), event_type="checkout.session.async_payment_succeeded")) == "paid"
    assert status(held(unpaid, event_type="checkout.session.async_payment_failed")) == "failed"


def test_refunds_count_where_the_charge_is_older_and_failed_ones_do_not() -> None:
    refund = fixture("refund", id="re_1", charge="ch_1", amount=900, status="succeeded")
    failed = fixture("refund", id="re_2", charge="ch_1", amount=500, status="failed")
    assert made(charge(), refund, failed).values["refunded"] == 900
    assert made(charge(amount_refunded=1000), refund).values["refunded"] == 1000
    assert made(invoice(), fixture("invoice_payment", invoice="in_1"), refund).values["refunded"] == 900


@pytest.mark.parametrize(
    ("said", "charge_at", "refunds", "expected"),
    [
        (900, 60, [("re_1", "failed", 900, 60, 90)], 0),
        (900, 60, [("re_1", "canceled", 900, 60, 60)], 0),
        (1400, 60, [("re_1", "failed", 900, 50, 90)], 500),
        (1400, 60, [("re_1", "failed", 900, 50, 90), ("re_2", "succeeded", 500, 55, 60)], 500),
        (500, 100, [("re_1", "failed", 900, 60, 90)], 500),
        (500, 50, [("re_1", "failed", 900, 60, 90)], 500),
        (500, 90, [("re_1", "failed", 900, 60, 90), ("re_2", "succeeded", 500, 55, 60)], 500),
    ],
    ids=["all of it", "in the same second", "others are not held", "others are held", "the charge was read since",
         "the charge is from before", "the charge was read in that second"],
)  # fmt: skip
def test_a_refund_that_fails_later_is_none(
    said: int, charge_at: int, refunds: list[tuple[str, str, int, int, int]], expected: int
) -> None:
    """A refund: id, status, amount, when it was made and when we last heard of it, in seconds."""
    told = [
        held(fixture("refund", id=id_, charge="ch_1", amount=amount, status=status, created=CREATED + made_at), at=at)
        for id_, status, amount, made_at, at in refunds
    ]
    assert made(held(charge(amount_refunded=said), at=charge_at), *told).values["refunded"] == expected


def test_an_order_goes_by_the_highest_id_that_is_known_even_if_only_by_name() -> None:
    assert made(charge("2020-08-27", invoice="in_9", payment_intent="pi_1")).external_id == "in_9"
    assert made(charge(payment_intent="pi_1")).external_id == "pi_1"
    assert made(session(payment_intent=None)).external_id == "cs_1"


@pytest.mark.parametrize("version", VERSIONS)
def test_fixtures_as_they_are_never_break(version: str) -> None:
    for kind in PURCHASE_TYPES:
        order_of([held(fixture(kind, version))])


def scrambled(value: Any) -> Any:
    return st.sampled_from([None, "", "x", -1, 0, 10**30, [], {}, [None], {"data": [1]}, True, 1.5])


@given(st.data())
def test_odd_values_never_break(data: st.DataObject) -> None:
    bodies = [data.draw(st.sampled_from([session(), charge(), invoice(), intent(), fixture("refund")]))]
    for body in bodies:
        for key in data.draw(st.lists(st.sampled_from(sorted(body.keys() - {"id", "object"})), max_size=6)):
            body[key] = data.draw(scrambled(body[key]))
    order_of([held(body) for body in bodies])


def whole_purchase(version: str) -> list[HeldObject]:
    """Everything there is of one purchase: bought at checkout with an invoice, in part refunded, disputed."""
    bodies = [
        session(version, invoice="in_1"),
        *invoice_purchase(version),
        charge(version, id="ch_0", status="failed", payment_intent="pi_1", created=CREATED + 12),
        fixture("refund", id="re_1", charge="ch_1", payment_intent="pi_1", amount=900, created=CREATED + 90),
        fixture("dispute", id="dp_1", charge="ch_1", status="needs_response", created=CREATED + 99),
    ]
    return [held(body, at=number) for number, body in enumerate(bodies)]


@pytest.mark.parametrize("version", VERSIONS)
@given(st.data())
def test_the_order_of_the_list_does_not_matter(version: str, data: st.DataObject) -> None:
    objects = data.draw(st.lists(st.sampled_from(whole_purchase(version)), min_size=1, unique_by=lambda one: one.id))
    assert order_of(objects) == order_of(data.draw(st.permutations(objects)))


def groups(objects: list[HeldObject]) -> list[list[HeldObject]]:
    """Objects that hang together by naming one another."""
    found: list[tuple[set[str], list[HeldObject]]] = []
    for one in objects:
        keys = {f"{one.type}:{one.id}", *(k for k in shapes.references(one.body) if k.split(":")[0] in PURCHASE_TYPES)}
        touching = [group for group in found if group[0] & keys]
        found = [group for group in found if group not in touching]
        found.append((keys.union(*(g[0] for g in touching)), [one, *(o for g in touching for o in g[1])]))
    return [members for _, members in found]


def write(arrived: HeldObject, objects: list[HeldObject], number: int) -> None:
    group = next(group for group in groups(objects) if arrived in group)
    values = order_of(group)
    if values is None:
        return
    records.upsert(
        [
            OrderRecord(
                source="stripe",
                account="acct_1",
                is_test=False,
                external_id=values.external_id,
                contact_id=None,
                references=values.references,
                values=values.values,
                items=values.items,
                occurred_at=START,
                origin=Origin.WEBHOOK,
                key=f"evt_{number}",
            )
        ]
    )


def outcome() -> tuple[Any, ...]:
    skipped = {"id", "contact_id", "created_at", "last_synced_at"}
    orders = [{k: v for k, v in row.items() if k not in skipped} for row in Order.objects.values()]
    items = list(OrderItem.objects.values_list("position", "name", "sku", "quantity", "amount"))
    references = list(OrderReference.objects.order_by("reference").values_list("reference", flat=True))
    return orders, items, references, sorted(Activity.objects.values_list("kind", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["2020-08-27", PINNED])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_objects_arriving_one_by_one_in_any_order_end_in_the_same_order(
    db: None, version: str, data: st.DataObject
) -> None:
    Activity.objects.all().delete()
    Order.objects.all().delete()
    objects = whole_purchase(version)
    write(objects[0], objects, 0)
    expected = outcome()
    Activity.objects.all().delete()
    Order.objects.all().delete()
    again = data.draw(st.lists(st.sampled_from(objects), max_size=3))
    have: list[HeldObject] = []
    for number, one in enumerate(data.draw(st.permutations(objects + again))):
        have += [] if one in have else [one]
        write(one, have, number)
    assert len(expected[0]) == 1
    assert outcome() == expected
