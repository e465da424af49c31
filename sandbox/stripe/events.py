"""Events: what changed, kept for thirty days, listed and delivered."""

from typing import TYPE_CHECKING, Any

from .forms import Json

if TYPE_CHECKING:
    from .book import Book

KEPT_SECONDS = 30 * 86400
DELIVERED_SECONDS = 3600
"""An event played further in the past than this is history: listed, but not delivered."""


def difference(before: Json, after: Json) -> Json:
    """Stripe's `previous_attributes`: old values of changed keys. Hashes shrink to what changed; arrays stay whole."""
    changed: Json = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        changed[key] = difference(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return changed


def undone(obj: Json, previous: Json) -> Json:
    """The object before the change that `previous_attributes` tells of."""
    result = dict(obj)
    for key, old in previous.items():
        new = obj.get(key)
        result[key] = undone(new, old) if isinstance(old, dict) and isinstance(new, dict) else old
    return result


def emit(book: "Book", type_name: str, obj: Json, previous: Json | None = None) -> Json | None:
    """Keep an event of `obj` as it is now and hand it to the deliveries. Nothing is kept that is older than 30 days."""
    world, created = book.world, book.now()
    if created < world.now() - KEPT_SECONDS:
        return None
    data: Json = {"object": obj}
    if previous is not None:
        data["previous_attributes"] = previous
    event = {
        "id": book.new_id("evt"),
        "object": "event",
        "api_version": book.account.api_version,
        "created": created,
        "data": data,
        "livemode": book.livemode,
        "pending_webhooks": 0,
        "request": world.request or {"id": None, "idempotency_key": None},
        "type": type_name,
    }
    book.collection("event").put(event)
    if created >= world.now() - DELIVERED_SECONDS:
        world.deliveries.enqueue(book, event)
    return event


def count_pending(book: "Book", event_id: str, step: int) -> None:
    """Move `pending_webhooks` of a kept event by `step`."""
    event: Any = book.get("event", event_id)
    if event is not None:
        pending = max(0, event["pending_webhooks"] + step)
        book.collection("event").put({**event, "pending_webhooks": pending})
