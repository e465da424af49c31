"""Time passes: subscriptions renew, fail, are paid after all or end when their moment has come, in order of time.

What happens follows from the subscription and how often something was due for it, so a world goes the same way on every
day.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .demo_showcase import shipping_of
from .objects import billing
from .scenarios import renewals, subscriptions

if TYPE_CHECKING:
    from .book import Book
    from .world import World

FAILING, RECOVERING = 0.05, 0.6
MOST_ATTEMPTS = 4
LIVING = ("trialing", "active", "past_due")
Step = tuple[int, Callable[["Book", str], object]]


def catch_up(world: "World") -> int:
    """Let everything happen that is due by now; returns how many steps it took."""
    with world.lock:
        return sum(_catch_up(book) for book in world.books())


def _catch_up(book: "Book") -> int:
    now = book.now()
    due = [(step[0], row_id) for row_id in _running(book) if (step := _next(book, row_id)) and step[0] <= now]
    heapq.heapify(due)
    steps = 0
    while due:
        moment, row_id = heapq.heappop(due)
        step = _next(book, row_id)
        if step is None:
            continue
        with book.at(moment):
            step[1](book, row_id)
        steps += 1
        following = _next(book, row_id)
        if following and following[0] <= now:
            heapq.heappush(due, (max(moment, following[0]), row_id))
    return steps


def _running(book: "Book") -> Iterator[str]:
    for row_id, row in book.collection("subscription").rows.items():
        if isinstance(row, dict) and row["status"] in LIVING:
            yield row_id


def _next(book: "Book", row_id: str) -> Step | None:
    """What happens to a subscription next, and when; None if nothing does by itself."""
    subscription = book.must(row_id)
    if subscription["status"] not in LIVING:
        return None
    steps: list[Step] = [(subscription["cancel_at"], _end)] if subscription["cancel_at"] else []
    if subscription["status"] == "trialing":
        steps.append((subscription["trial_end"], _end_trial))
    elif subscription["status"] == "active":
        steps.append((min(item["current_period_end"] for item in billing.items_of(book, subscription)), _renew))
    elif subscription["status"] == "past_due" and (invoice := renewals.open_invoice(book, subscription)):
        steps.append((invoice["next_payment_attempt"] or book.now(), _try_again))
    return min(steps, key=lambda step: step[0], default=None)


def _dice(book: "Book", row_id: str) -> random.Random:
    invoices = list(book.collection("invoice").where("subscription", row_id))
    attempts = sum(invoice["attempt_count"] for invoice in invoices)
    return random.Random(f"{row_id}:{len(invoices)}:{attempts}")  # noqa: S311 - repeatable on purpose


def _renew(book: "Book", row_id: str) -> None:
    if book.must(row_id)["pause_collection"]:
        renewals.pass_period(book, row_id)
    elif _dice(book, row_id).random() < FAILING:
        renewals.fail_payment(book, row_id)
    else:
        renewals.renew(book, row_id, shipping=shipping_of(book.must(row_id)))


def _end_trial(book: "Book", row_id: str) -> None:
    renewals.end_trial(book, row_id)


def _end(book: "Book", row_id: str) -> None:
    subscriptions.end(book, book.must(row_id), "cancellation_requested")


def _try_again(book: "Book", row_id: str) -> None:
    invoice = renewals.open_invoice(book, book.must(row_id))
    if _dice(book, row_id).random() < RECOVERING:
        renewals.recover(book, row_id)
    elif invoice and invoice["attempt_count"] >= MOST_ATTEMPTS:
        renewals.give_up(book, row_id)
    else:
        renewals.fail_payment(book, row_id)
