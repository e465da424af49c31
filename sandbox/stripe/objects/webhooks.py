"""Webhook endpoints."""

from typing import TYPE_CHECKING

from ..forms import Json
from ..ids import scramble

if TYPE_CHECKING:
    from ..book import Book


def webhook_endpoint(book: "Book", url: str, enabled_events: list[str], api_version: str | None, params: Json) -> Json:
    """A new endpoint; its signing secret goes into the book, not into the object."""
    row_id = book.new_id("we")
    book.secrets[row_id] = "whsec_" + scramble(f"whsec:{book.name}:{row_id}", 32)
    return {
        "id": row_id,
        "object": "webhook_endpoint",
        "api_version": api_version,
        "application": None,
        "created": book.now(),
        "description": params.get("description") or None,
        "enabled_events": enabled_events,
        "livemode": book.livemode,
        "metadata": params.get("metadata") or {},
        "status": "enabled",
        "url": url,
    }
