"""Rows that are built when they are read: a grown account's customers, each from its number alone."""

from typing import TYPE_CHECKING

from .collection import Seed
from .forms import Json
from .ids import object_id
from .names import person
from .objects import people

if TYPE_CHECKING:
    from .book import Book

PLANS = ("free", "starter", "team", "business")


def build(book: "Book", row_id: str, seed: Seed) -> Json:
    """The object of a seed (number, created)."""
    number, created = seed
    who = person(number)
    given = {
        "email": f"{who.mailbox}.{number}@customers.example",
        "name": who.name,
        "phone": who.phone,
        "address": who.address,
        "metadata": {"plan": PLANS[number % 4], "number": str(number)},
        "preferred_locales": [who.locale],
    }
    return people.customer_row(row_id, created, book.livemode, given)


def grow_customers(book: "Book", count: int, over_seconds: int | None = None) -> int:
    """Add `count` customers, created evenly over the last `over_seconds` (the account's life if None). No events.

    Returns how many customers the book then has. A hundred thousand take a second or two.
    """
    collection = book.collection("customer")
    first = book.growth.get("customer", 0)
    now = book.now()
    since = book.account.created if over_seconds is None else now - over_seconds
    step = max(0, now - 60 - since) / max(count, 1)
    for number in range(first, first + count):
        created = int(since + (number - first + 1) * step)
        collection.put_seed(object_id("cus", f"{book.name}:grown:{number}"), created, (number, created), {})
    book.growth["customer"] = first + count
    book.world.changed()
    return len(collection)
