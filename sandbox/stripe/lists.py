"""Lists: cursor paging newest first, `created` bounds, and the filters each list knows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import errors
from .forms import Json, boolean

if TYPE_CHECKING:
    from .book import Book
    from .collection import Collection

Test = Callable[[Json, Any], bool]
COMMON = {"limit", "starting_after", "ending_before", "created", "expand"}
WITHOUT_CREATED = {"webhook_endpoint", "payment_method"}


def _value(name: str) -> Callable[[Json], Any]:
    return lambda obj: obj.get(name)


def subscription_of(invoice: Json) -> str | None:
    """The subscription an invoice bills; since basil it stands under `parent`."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return details.get("subscription")


INDEXES: dict[str, dict[str, Callable[[Json], Any]]] = {
    "charge": {"customer": _value("customer"), "payment_intent": _value("payment_intent")},
    "subscription": {"customer": _value("customer")},
    "invoice": {"customer": _value("customer"), "subscription": subscription_of},
    "checkout.session": {name: _value(name) for name in ("customer", "payment_intent", "subscription")},
    "payment_intent": {"customer": _value("customer")},
    "payment_method": {"customer": _value("customer")},
    "refund": {"charge": _value("charge"), "payment_intent": _value("payment_intent")},
    "dispute": {"charge": _value("charge"), "payment_intent": _value("payment_intent")},
    "invoice_payment": {
        "invoice": _value("invoice"),
        "payment_intent": lambda obj: (obj.get("payment") or {}).get("payment_intent"),
    },
    "price": {"product": _value("product")},
}


def _equal(name: str) -> Test:
    return lambda obj, wanted: str(obj.get(name)) == str(wanted)


def _flag(name: str) -> Test:
    return lambda obj, wanted: obj.get(name) is boolean(wanted)


def _one_of(name: str) -> Test:
    return lambda obj, wanted: obj.get(name) in wanted


def _subscription_status(obj: Json, wanted: str) -> bool:
    if wanted == "all":
        return True
    if wanted == "ended":
        return obj["status"] in ("canceled", "incomplete_expired")
    return bool(obj["status"] == wanted)


def _event_type(obj: Json, wanted: str) -> bool:
    name = str(obj["type"])
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def _session_email(obj: Json, wanted: Json) -> bool:
    return bool((obj.get("customer_details") or {}).get("email") == wanted.get("email"))


FILTERS: dict[str, dict[str, Test]] = {
    "customer": {"email": _equal("email"), "test_clock": _equal("test_clock")},
    "charge": {"transfer_group": _equal("transfer_group")},
    "subscription": {
        "status": _subscription_status,
        "collection_method": _equal("collection_method"),
        "price": lambda obj, wanted: any(item["price"]["id"] == wanted for item in obj["items"]["data"]),
    },
    "invoice": {"status": _equal("status"), "collection_method": _equal("collection_method")},
    "checkout.session": {
        "status": _equal("status"),
        "payment_link": _equal("payment_link"),
        "customer_details": _session_email,
    },
    "payment_method": {"type": _equal("type")},
    "product": {"active": _flag("active"), "ids": _one_of("id")},
    "price": {
        "active": _flag("active"),
        "type": _equal("type"),
        "currency": _equal("currency"),
        "lookup_keys": _one_of("lookup_key"),
    },
    "invoice_payment": {
        "status": _equal("status"),
        "payment": lambda obj, wanted: all(obj["payment"].get(name) == value for name, value in wanted.items()),
    },
    "event": {
        "type": _event_type,
        "types": lambda obj, wanted: any(_event_type(obj, one) for one in wanted),
        "delivery_success": lambda obj, wanted: (obj["pending_webhooks"] == 0) is boolean(wanted),
    },
}


def page(book: "Book", type_name: str, params: Json, url: str) -> Json:
    """One page in Stripe's envelope. Raises StripeError for unknown parameters, limits and cursors."""
    check_parameters(type_name, params)
    limit = _limit(params)
    collection = book.collection(type_name)
    backwards = "ending_before" in params
    cursor = params.get("ending_before" if backwards else "starting_after")
    after = _cursor_place(collection, type_name, cursor, backwards)
    lowest, highest = _bounds(params.get("created"), type_name, book.now())
    if backwards:
        after = max(filter(None, (after, (lowest, 0))), default=None)
    else:
        after = min(filter(None, (after, (highest, 0))), default=None)
    found: list[Json] = []
    for obj in collection.walk(_indexed(collection, params), after, backwards):
        if obj["created"] >= highest if backwards else obj["created"] < lowest:
            break
        if _fits(type_name, obj, params):
            found.append(obj)
            if len(found) > limit:
                break
    data = found[:limit]
    return envelope(data[::-1] if backwards else data, url, len(found) > limit)


def envelope(data: list[Json], url: str, has_more: bool = False) -> Json:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def plain_page(rows: list[Json], params: Json, url: str) -> Json:
    """A page of a short list in its own order: invoice lines, a session's line items."""
    start, limit = 0, _limit(params)
    if "starting_after" in params:
        ids = [row["id"] for row in rows]
        if params["starting_after"] not in ids:
            raise errors.bad_parameter("No such line item.", "starting_after", "resource_missing")
        start = ids.index(params["starting_after"]) + 1
    return envelope(rows[start : start + limit], url, len(rows) > start + limit)


def check_parameters(type_name: str, params: Json) -> None:
    allowed = COMMON | set(FILTERS.get(type_name, {})) | set(INDEXES.get(type_name, {}))
    if type_name in WITHOUT_CREATED:
        allowed -= {"created"}
    if type_name == "invoice_payment":
        allowed -= {"payment_intent"}
    for name in params:
        if name not in allowed:
            raise errors.unknown_parameter(name)
    if len(params.get("types", ())) > 20:
        raise errors.bad_parameter("You may specify at most 20 event types.", "types")


def _limit(params: Json) -> int:
    text = str(params.get("limit", "10"))
    if not text.isdigit():
        raise errors.bad_parameter(f"Invalid integer: {text}", "limit", "parameter_invalid_integer")
    if not 1 <= int(text) <= 100:
        word = "greater than or equal to 1" if int(text) < 1 else "less than or equal to 100"
        raise errors.bad_parameter(f"This value must be {word}.", "limit", "parameter_invalid_integer")
    return int(text)


def _cursor_place(
    collection: "Collection", type_name: str, cursor: str | None, backwards: bool
) -> tuple[int, int] | None:
    if cursor is None:
        return None
    if cursor not in collection.places:
        raise errors.bad_parameter(
            f"No such {type_name}: '{cursor}'",
            "ending_before" if backwards else "starting_after",
            "resource_missing",
        )
    return collection.places[cursor]


def _bounds(created: Any, type_name: str, now: int) -> tuple[int, int]:
    """The half-open range [lowest, highest) of `created`; events reach back thirty days only."""
    lowest, highest = (now - 30 * 86400 if type_name == "event" else 0), 1 << 62
    try:
        if isinstance(created, dict):
            for name, value in created.items():
                moment = int(value)
                if name in ("gt", "gte"):
                    lowest = max(lowest, moment + (name == "gt"))
                elif name in ("lt", "lte"):
                    highest = min(highest, moment + (name == "lte"))
                else:
                    raise errors.unknown_parameter(f"created[{name}]")
        elif created is not None:
            lowest, highest = max(lowest, int(created)), int(created) + 1
    except ValueError:
        raise errors.bad_parameter("Invalid integer", "created", "parameter_invalid_integer") from None
    return lowest, highest


def _indexed(collection: "Collection", params: Json) -> list[str] | None:
    """Ids that fit every indexed filter given; None when there is none and the whole list counts."""
    sets = [
        set(collection.index[name].get(params[name], ()))
        for name in collection.index
        if isinstance(params.get(name), str)
    ]
    payment = params.get("payment")
    if isinstance(payment, dict) and "payment_intent" in payment:
        sets.append(set(collection.index["payment_intent"].get(payment["payment_intent"], ())))
    return list(set.intersection(*sets)) if sets else None


def _fits(type_name: str, obj: Json, params: Json) -> bool:
    if type_name == "subscription" and "status" not in params and obj["status"] == "canceled":
        return False
    tests = FILTERS.get(type_name, {})
    return all(tests[name](obj, params[name]) for name in params if name in tests)
