"""Time passes in the demo's shops: nothing that is due stays undone, whenever somebody looks."""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.stripe import passing
from sandbox.stripe.demo import build
from sandbox.stripe.forms import Json
from sandbox.stripe.objects import billing
from sandbox.stripe.scenarios import play
from sandbox.stripe.world import World

DAY = 86400


def subscriptions(world: World) -> list[Json]:
    return [row for book in world.books() for row in book.collection("subscription").newest_first()]


def overdue(world: World) -> list[str]:
    """Subscriptions whose next payment lies in the past."""
    late = []
    for book in world.books():
        for one in book.collection("subscription").newest_first():
            due = min(item["current_period_end"] for item in billing.items_of(book, one))
            if one["status"] == "trialing":
                due = one["trial_end"]
            if one["status"] in ("active", "trialing") and due <= world.now():
                late.append(one["id"])
    return late


@pytest.mark.parametrize("days", [0, 1, 45])
def test_no_payment_of_the_demo_is_overdue(days: int) -> None:
    world = build()
    world.offset = days * DAY
    steps = passing.catch_up(world)
    assert not overdue(world)
    assert (steps > 100) == (days == 45)
    assert passing.catch_up(world) == 0
    statuses = Counter(one["status"] for one in subscriptions(world))
    assert statuses["active"] > 100
    # Retries end after some weeks; whether new ones have begun by then depends on the day.
    assert statuses["past_due"] or days == 45


def test_what_happened_is_told_in_order() -> None:
    world = build()
    world.offset = 10 * DAY
    before = {event["id"] for book in world.books() for event in book.collection("event").newest_first()}
    passing.catch_up(world)
    told = set()
    for book in world.books():
        events = [event for event in book.collection("event").newest_first() if event["id"] not in before]
        told |= {event["type"] for event in events}
        assert all(event["created"] <= world.now() for event in events)
    assert {"invoice.paid", "charge.succeeded", "customer.subscription.updated"} <= told


@pytest.fixture
def world() -> World:
    made = World()
    made.add_account("Shop", currency="eur")
    return made


def lives(world: World, days: int, **given: object) -> Json:
    """A subscription of 29.00 a month after so many days."""
    book = world.account("Shop").books[True]  # type: ignore[union-attr]
    made = play(book, "subscribe", **given)
    world.offset += days * DAY
    passing.catch_up(world)
    return book.must(made["id"])


def test_it_renews_each_month(world: World) -> None:
    lives(world, 100, interval="month")
    book = world.account("Shop").books[True]  # type: ignore[union-attr]
    invoices = list(book.collection("invoice").newest_first())
    assert len(invoices) == 4
    assert len({invoice["created"] for invoice in invoices}) == 4


def test_a_trial_becomes_a_customer(world: World) -> None:
    assert lives(world, 13, trial_days=14)["status"] == "trialing"
    assert lives(world, 15, trial_days=14)["status"] in ("active", "past_due")


def test_it_ends_when_it_was_asked_to(world: World) -> None:
    book = world.account("Shop").books[True]  # type: ignore[union-attr]
    made = play(book, "subscribe")
    play(book, "cancel", subscription=made["id"], at_period_end=True)
    world.offset = 40 * DAY
    passing.catch_up(world)
    after = book.must(made["id"])
    assert (after["status"], after["ended_at"]) == ("canceled", after["cancel_at"])


def test_collection_that_is_paused_takes_no_money(world: World) -> None:
    book = world.account("Shop").books[True]  # type: ignore[union-attr]
    made = play(book, "subscribe")
    play(book, "pause_collection", subscription=made["id"])
    world.offset = 40 * DAY
    passing.catch_up(world)
    assert [one["status"] for one in book.collection("invoice").newest_first()] == ["void", "paid"]
    assert book.must(made["id"])["status"] == "active" and not overdue(world)


def test_a_failed_payment_is_tried_again_and_comes_to_an_end(world: World) -> None:
    book = world.account("Shop").books[True]  # type: ignore[union-attr]
    rows = [play(book, "subscribe")["id"] for _ in range(30)]
    for row_id in rows:
        play(book, "fail_payment", subscription=row_id)
    world.offset = 20 * DAY
    passing.catch_up(world)
    statuses = Counter(book.must(row_id)["status"] for row_id in rows)
    assert set(statuses) == {"active", "canceled"} and statuses["active"] > statuses["canceled"] > 0
