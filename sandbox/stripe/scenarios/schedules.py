"""A subscription is put on a schedule."""

from typing import TYPE_CHECKING

from ..forms import Json
from ..objects import schedules
from .periods import after

if TYPE_CHECKING:
    from ..book import Book


def schedule(book: "Book", subscription: str, cycles: int = 12, end_behavior: str = "cancel") -> Json:
    """So many cycles from the start; then it is canceled, or released and goes on."""
    obj = book.must(subscription)
    recurring = obj["items"]["data"][0]["price"]["recurring"]
    end = after(obj["start_date"], recurring["interval"], recurring["interval_count"] * int(cycles))
    made = book.add(schedules.schedule(book, obj, end, end_behavior), "subscription_schedule.created")
    book.update(obj, "customer.subscription.updated", schedule=made["id"])
    return made
