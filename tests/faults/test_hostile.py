"""Deliveries that mean harm, or that nobody thought of (rows 1, 13, 22, 25, 26, 29 to 31)."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from connections import inbox
from connections.models import Connection, InboundEvent, SyncLogEntry
from contacts.models import Activity, Contact, Identity
from orders.models import Order
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import account, anybody, connect, live_hook, stripe, work  # noqa: F401  (fixtures)
from tests.connections.test_endpoint import connection, post, sign  # noqa: F401  (fixtures)
from tests.connections.test_guard import event

pytestmark = pytest.mark.django_db(transaction=True)
Post = Callable[..., int]


def test_one_delivery_fifty_times(post: Post) -> None:
    """Rows 1 and 13: fifty answers of 200, before and after it was worked; one row, one effect."""
    one = event(1, "customer.created", int(time.time()))
    for number in range(50):
        assert post(one) == 200
        if number == 25:
            inbox.drain()
    inbox.drain()
    assert InboundEvent.objects.count() == SyncLogEntry.objects.count() == Contact.objects.count() == 1
    assert Activity.objects.filter(kind="source.event").count() == 1


def test_a_packed_body_is_not_unpacked(post: Post, connection: Connection) -> None:
    """Row 22: ten megabytes in ten kilobytes."""
    bomb = gzip.compress(json.dumps(event(1, "customer.created", 1, name="x" * 10_000_000)).encode())
    assert len(bomb) < 20_000
    assert post(bomb, header=sign(connection, b"another body"), HTTP_CONTENT_ENCODING="gzip") == 400
    # Signed as it is it is no JSON: kept as it came, for a person to look at.
    assert post(bomb, HTTP_CONTENT_ENCODING="gzip") in (200, 400)
    assert all(len(bytes(row.body or b"")) < 20_000 for row in InboundEvent.objects.all())


@pytest.mark.parametrize(
    "moment", [0, -1, 253_402_300_799, 253_402_300_800, 10**18, -(10**18), 1.5, "1790000000", True, None, [], {}]
)
def test_every_created_is_taken_or_set_aside(post: Post, moment: Any) -> None:
    """Row 30: neither a crash nor a loop, and the next event is not held up."""
    assert post(event(1, "customer.created", int(time.time())) | {"created": moment}) == 200
    after = event(2, "customer.updated", int(time.time()), phone="after")
    after["data"]["object"]["created"] = moment
    assert post(after) == 200
    inbox.drain()
    assert set(InboundEvent.objects.values_list("state", flat=True)) <= {"done", "ignored", "dead"}
    assert Contact.objects.get().phone == "after"


@pytest.mark.parametrize("money", [0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**30, 1.5, "12", None, [], "nan"])
def test_every_amount_is_kept_exactly_or_set_aside(
    stripe: Sandbox, account: SandboxAccount, connect: Callable[..., Any], live_hook: None, money: Any
) -> None:
    """Row 29: bigint exactly, never a float, and never a batch that fails for ever."""
    connect("charge")
    good = account.charge(None, amount=700, currency="eur", receipt_email="good@mill.example")
    odd = {**good, "id": "ch_odd", "payment_intent": None, "balance_transaction": None, "currency": "xyz"}
    account.emit("charge.succeeded", {**odd, "amount": money, "amount_captured": money})
    stripe.deliver()
    work()
    states = set(InboundEvent.objects.values_list("state", flat=True))
    assert states <= {"done", "ignored", "dead"}, list(InboundEvent.objects.values_list("type", "state", "last_error"))
    assert Order.objects.filter(references__reference=f"charge:{good['id']}", total=700).exists()
    if isinstance(money, int) and 0 <= money < 2**63:
        assert Order.objects.get(references__reference="charge:ch_odd").total == money


def test_long_ids_and_deleted_customers(post: Post) -> None:
    """Row 31: an id as long as the column, and longer; a customer that is only a tombstone."""
    now = int(time.time())
    for number, length in enumerate((255, 256, 5000)):
        assert (
            post(event(number, "customer.created", now, id="cus_" + "x" * (length - 4), email=f"{number}@x.example"))
            == 200
        )
    assert post(event(9, "customer.deleted", now, id="cus_9", email=None, deleted=True)) == 200
    work()
    assert set(InboundEvent.objects.values_list("state", flat=True)) <= {"done", "dead", "ignored"}
    assert Identity.objects.filter(external_id="cus_" + "x" * 251).count() == 1


@pytest.mark.parametrize(
    "address",
    [
        " Ann@Example.COM ",
        "ann@bücher.example",
        "ＡＮＮ@example.com",
        "i\u0307nce@example.com",
        "a" * 250 + "@example.com",
        "ann@example.com, bob@example.com",
        "ann@",
        "@",
        "ann\x00@example.com",
        "ann@example.com\r\nBcc: eve@example.com",
    ],
)
def test_every_address_is_kept_or_said(post: Post, address: str) -> None:
    """Rows 25 and 26: told in any writing twice it is one contact; none at all is a reason, not a failure."""
    now = int(time.time())
    assert post(event(1, "customer.created", now, email=address)) == 200
    assert post(event(2, "customer.updated", now + 1, email=address, phone="2")) == 200
    inbox.drain()
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"done"}
    assert Contact.objects.count() <= 1
    assert not Contact.objects.filter(email__contains="\n").exists()
    if not Contact.objects.exists():
        assert set(SyncLogEntry.objects.values_list("result", flat=True)) == {"skipped"}


def test_two_events_of_one_payment(
    stripe: Sandbox, account: SandboxAccount, connect: Callable[..., Any], live_hook: None
) -> None:
    """Row 8: Stripe may tell one change by two events. Both are kept; order and payment happened once."""
    connect("charge")
    charge = account.charge(None, amount=700, currency="eur", receipt_email="ada@mill.example")
    stripe.deliver()
    work()
    account.emit("charge.succeeded", charge)
    stripe.deliver()
    work()
    assert SyncLogEntry.objects.filter(event_type="charge.succeeded").count() == 2
    assert Order.objects.get().total == 700
    assert Activity.objects.filter(kind="order.created").count() == 1
    assert Activity.objects.filter(kind="order.paid").count() <= 1
