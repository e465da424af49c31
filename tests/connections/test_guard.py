"""The guard: any order of arrival ends in the newest state (design.md 4, reliability 3 to 7)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connections import fetching, inbox, stored_events
from connections.models import InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.sources.stripe import order
from contacts.models import Activity, Contact

pytestmark = pytest.mark.django_db(transaction=True)
START = 1_790_000_000


def event(
    number: int,
    type_: str,
    created: int,
    *,
    previous: dict[str, Any] | None = None,
    livemode: bool = True,
    **customer: Any,
) -> dict[str, Any]:
    body = {"id": "cus_1", "object": "customer", "created": START, "email": "ada@mill.example", "name": "Ada Miller"}
    data: dict[str, Any] = {"object": body | customer}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": type_,
        "created": created,
        "livemode": livemode,
        "api_version": "2026-10-28.endive",
        "data": data,
    }


def test_a_late_event_changes_nothing(receive: Callable[..., None]) -> None:
    """cashier#1201: updated arrives before created; the event is done, tagged, and logged as out of date."""
    receive(
        event(2, "customer.updated", START + 60, phone="new", previous={"phone": "old"}),
        event(1, "customer.created", START, phone="old"),
    )
    contact = Contact.objects.get()
    assert contact.phone == "new"
    assert SyncLogEntry.objects.get(event_id="evt_1").result == "stale"
    assert contact.tags.filter(name="stripe-integration-customer.created").exists()
    assert Activity.objects.filter(kind="source.event").count() == 2


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4))))
def test_every_order_of_arrival_ends_the_same(receive: Callable[..., None], arrival: tuple[int, ...]) -> None:
    """The last two happen in the same second; `previous_attributes` tells them apart."""
    events = [
        event(1, "customer.created", START, phone="1", name="Ada One"),
        event(2, "customer.updated", START + 9, phone="2", name="Ada One", previous={"phone": "1"}),
        event(3, "customer.updated", START + 20, phone="3", name="Ada One", previous={"phone": "2"}),
        event(4, "customer.updated", START + 20, phone="3", name="Ada Two", previous={"name": "Ada One"}),
    ]
    receive(*(events[i] for i in arrival))
    contact = Contact.objects.get()
    assert (contact.phone, contact.last_name) == ("3", "Two")
    assert InboundEvent.objects.filter(state="done").count() == 4


def test_what_payloads_do_not_tell_is_read_once(
    receive: Callable[..., None], account: Any, stripe: Any, connect: Callable[..., Resource]
) -> None:
    """Two unlike events of one second without `previous_attributes`: one GET for the object, not one an event."""
    customer = account.create_customer(email="ada@mill.example", name="Ada Truth", phone="truth")
    stripe.discard()
    InboundEvent.objects.all().delete()
    RemoteObject.objects.all().delete()
    stripe.clear_requests()
    one, two, three = (
        event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2, 3)
    )
    receive(one, two, three)
    assert RemoteObject.objects.get(external_id=customer["id"]).wanted_at
    assert set(InboundEvent.objects.values_list("event_id", "state")) >= {("evt_2", "waiting"), ("evt_3", "waiting")}
    fetching.drain()
    inbox.drain()
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"done"}
    assert Contact.objects.get().phone == "truth"
    assert len(stripe.requests(f"/v1/customers/{customer['id']}")) == 1
    assert RemoteObject.objects.get(external_id=customer["id"]).body["phone"] == "truth"
    assert RemoteObject.objects.get(external_id=customer["id"]).wanted_at is None


def test_a_deleted_customer_does_not_come_back(receive: Callable[..., None]) -> None:
    receive(
        event(1, "customer.created", START, phone="1"),
        event(3, "customer.deleted", START + 50, phone="1"),
        event(2, "customer.updated", START + 40, phone="2", previous={"phone": "1"}),
    )
    contact = Contact.objects.get()
    assert contact.source_deleted_at and contact.identities.get().deleted_at
    assert contact.email == "ada@mill.example"
    assert RemoteObject.objects.get().deleted_at


def test_replaying_applies_again_and_tells_nothing_twice(receive: Callable[..., None]) -> None:
    receive(event(1, "customer.created", START, phone="1"))
    Contact.objects.update(phone="", facts={})
    before = set(Activity.objects.values_list("dedupe", flat=True))
    assert stored_events.replay(InboundEvent.objects.all()) == 1
    inbox.drain()
    assert Contact.objects.get().phone == "1"
    kinds = Activity.objects.exclude(dedupe__in=before).values_list("kind", flat=True)
    assert "source.event" not in kinds and "contact.created" not in kinds
    assert list(SyncLogEntry.objects.order_by("pk").values_list("via", "event_id")) == [
        ("webhook", "evt_1"),
        ("replay", "evt_1"),
    ]


def test_replaying_what_is_from_before_the_resource_applies_it(receive: Callable[..., None]) -> None:
    """Its resource was removed and added, or the account connected again, since the event failed."""
    receive(event(1, "customer.created", START, phone="1"))
    Contact.objects.update(phone="", facts={})
    InboundEvent.objects.update(state="dead")
    Resource.objects.update(since=datetime.fromtimestamp(START + 60, UTC))
    stored_events.replay(InboundEvent.objects.all())
    inbox.drain()
    assert Contact.objects.get().phone == "1"


SUCCEEDED = {"status": "succeeded", "amount_refunded": 0}


@pytest.mark.parametrize(
    ("kind", "held", "new", "back"),
    [
        ("subscription", {"status": "canceled"}, {"status": "active"}, True),
        ("subscription", {"status": "active"}, {"status": "canceled"}, False),
        ("invoice", {"status": "paid"}, {"status": "open"}, True),
        ("charge", SUCCEEDED | {"amount_refunded": 500}, SUCCEEDED, True),
        ("customer", {"name": "a"}, {"name": "b"}, False),
    ],
)
def test_what_stripe_never_undoes(kind: str, held: dict[str, Any], new: dict[str, Any], back: bool) -> None:
    assert order.goes_back(kind, held, new) is back


@pytest.mark.parametrize(
    ("held", "new", "answer"),
    [
        (("updated", {"status": "active"}), ("created", {"status": "incomplete"}), False),
        (("created", {"status": "incomplete"}), ("updated", {"status": "active"}), True),
        (("updated", {"status": "active"}), ("deleted", {"status": "canceled"}), True),
        (("updated", {"status": "trialing"}), ("updated", {"status": "active"}), True),
        (("updated", {"metadata": {"a": "1"}}), ("updated", {"metadata": {"a": "2"}}), None),
    ],
)
def test_the_same_second(held: tuple[str, Any], new: tuple[str, Any], answer: bool | None) -> None:
    name = "customer.subscription."
    told = order.later("subscription", held[1], name + held[0], None, new[1], name + new[0], None)
    assert told is answer
