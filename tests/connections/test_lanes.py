"""Workers share the inbox: never two at one customer, and nobody waits for a dead one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from common.due import LEASE, State, database_now
from common.origin import Origin
from connections import inbox, lanes, stored_events
from connections.models import Connection, InboundEvent, Resource
from connections.sources.stripe import translate
from contacts.models import Contact
from tests.connections.test_guard import event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def filled(connect: Callable[..., Resource]) -> Connection:
    """Two events each of sixty customers."""
    connection = connect("customer").connection
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    now = int(time.time())
    for number in range(120):
        customer = number % 60
        told = {"id": f"cus_{customer}", "email": f"c{customer}@mill.example", "phone": str(number)}
        kind = "customer.created" if number < 60 else "customer.updated"
        body = json.dumps(event(number, kind, now - 120 + number, **told)).encode()
        stored_events.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    return connection


@pytest.fixture
def many(filled: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """As many as are worth sharing."""
    monkeypatch.setattr(lanes, "_ONE_BATCH", 20)
    return filled


def claim(limit: int = 500) -> list[InboundEvent]:
    return lanes.claim(limit, database_now())


def test_workers_at_once_are_at_different_customers(many: Connection) -> None:
    held = [claim() for _ in range(6)]
    customers = [{one.object_id for one in events} for events in held]
    assert sum(len(events) for events in held) == 120
    assert len(held[0]) > 30 and len(held[1]) > 10, "the second worker found next to nothing"
    for number, mine in enumerate(customers):
        assert not mine & set().union(*customers[:number])


def test_few_are_one_batch(filled: Connection) -> None:
    """A batch costs as much as many events, however little it holds."""
    assert len(claim()) == 120 and claim() == []


def test_a_claim_leaves_what_comes_later_to_the_next_ring(filled: Connection) -> None:
    assert lanes.claim(500, database_now() - timedelta(minutes=1)) == []


def test_lanes_of_a_worker_that_died_are_soon_free(many: Connection) -> None:
    died = {event.lane for event in claim()}
    assert not died & {event.lane for event in claim()}
    InboundEvent.objects.claimed().filter(lane__in=died).update(lease_until=Now() + LEASE - timedelta(seconds=11))
    InboundEvent.objects.filter(state=State.RUNNING, lane__in=died).exclude(
        pk__in=InboundEvent.objects.claimed().order_by("pk").values("pk")[:1]
    ).update(state=State.DUE, claims=0)
    assert died & {event.lane for event in claim()}


def test_what_names_no_customer_is_worked_by_itself(filled: Connection) -> None:
    """It may meet anybody's purchase: two workers with some of it each would wait for one another's customers."""
    for number, kind in enumerate(["invoice_payment", "refund", "dispute"]):
        told = {"id": f"x_{number}", "object": kind}
        body = json.dumps(event(900 + number, f"{kind}.created", int(time.time()) - 600, **told)).encode()
        stored_events.store(filled, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    mine = InboundEvent.objects.filter(lane=translate.NOBODYS)
    assert not {translate.NOBODYS} & {one.lane for one in claim()}, "in its turn, and it came last"
    mine.update(next_attempt_at=Now() - timedelta(minutes=1))
    assert {one.object_id for one in claim()} == {"x_0", "x_1", "x_2"}
    assert not {translate.NOBODYS} & {one.lane for one in claim()}


def test_a_crowd_in_one_lane_hides_nobody(filled: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a worker is at what names no customer, however much of it is older, others find work."""
    monkeypatch.setattr(lanes, "_LOOKED_AT", 3)
    for number in range(6):
        body = json.dumps(event(900 + number, "refund.created", int(time.time()), id=f"re_{number}", object="refund"))
        stored_events.store(filled, translate.envelope(translate.parse(body.encode())), body.encode(), Origin.WEBHOOK)
    InboundEvent.objects.filter(lane=translate.NOBODYS).update(next_attempt_at=Now() - timedelta(minutes=1))
    assert {one.lane for one in claim(1)} == {translate.NOBODYS}
    assert claim()


def test_one_drain_works_every_lane(filled: Connection) -> None:
    assert inbox.drain() == 120
    assert Contact.objects.count() == 60
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"object": "charge", "id": "ch_1", "customer": "cus_1"}, {"object": "customer", "id": "cus_1"}),
        ({"object": "invoice", "id": "in_1", "customer": {"id": "cus_1"}}, {"object": "customer", "id": "cus_1"}),
    ],
)
def test_events_of_a_customer_are_in_one_lane(one: dict[str, Any], other: dict[str, Any]) -> None:
    def lane(body: dict[str, Any]) -> int:
        whole = {"id": "evt_1", "type": "x.y", "created": 1790000000, "data": {"object": body}}
        return translate.envelope(whole).lane

    assert lane(one) == lane(other)
    assert len({lane({"object": "customer", "id": f"cus_{n}"}) for n in range(200)}) == translate.LANES
