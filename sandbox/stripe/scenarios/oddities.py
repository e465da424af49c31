"""What no scenario foresees: any change to any object, and any event at all."""

from typing import TYPE_CHECKING

from ..forms import Json

if TYPE_CHECKING:
    from ..book import Book


def alter(book: "Book", object: str, changes: Json, event: str | None = None) -> Json:
    """Change an object as nobody else would (unknown statuses, odd names); with its event if one is named."""
    return book.update(book.must(object), event, **changes)


def emit(book: "Book", type: str, object: Json, previous_attributes: Json | None = None) -> Json:
    """Send an event of any type about anything: a retired order.created, a type of tomorrow. Returns the event."""
    return book.emit(type, object, previous_attributes) or {}
