"""`expand[]`: ids become objects, and lists that are only sent on request appear; at most four levels."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import errors
from .forms import Json
from .ids import type_of
from .lists import envelope

if TYPE_CHECKING:
    from .book import Book
    from .keys import Key

DEEPEST = 4
RIGHTS = {
    "card": "source",
    "charge": "charge",
    "checkout.session": "checkout_session",
    "coupon": "coupon",
    "customer": "customer",
    "discount": "coupon",
    "dispute": "dispute",
    "invoice": "invoice",
    "invoice_payment": "invoice",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "price": "plan",
    "product": "product",
    "refund": "charge",
    "subscription": "subscription",
    "subscription_schedule": "subscription",
}


def _rows(type_name: str, index: str) -> Callable[["Book", Json], list[Json]]:
    return lambda book, obj: book.collection(type_name).where(index, obj["id"])


def _running(book: "Book", customer: Json) -> list[Json]:
    rows = book.collection("subscription").where("customer", customer["id"])
    return [row for row in rows if row["status"] != "canceled"]


LISTS: dict[tuple[str, str], Callable[["Book", Json], list[Json]]] = {
    ("invoice", "payments"): _rows("invoice_payment", "invoice"),
    ("charge", "refunds"): _rows("refund", "charge"),
    ("customer", "subscriptions"): _running,
    ("customer", "sources"): lambda book, obj: [],
    ("customer", "tax_ids"): lambda book, obj: [],
    ("checkout.session", "line_items"): lambda book, obj: book.details.get(obj["id"], []),
}
"""Lists that an object carries only when they are asked for."""


def expand(book: "Book", key: "Key", obj: Json, paths: Any) -> Json:
    """A copy of `obj` with every path expanded. Raises Stripe's errors for a path too deep or not expandable."""
    for path in paths or ():
        parts = path.split(".")
        if len(parts) > DEEPEST:
            raise errors.bad_parameter(
                f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}", "expand"
            )
        obj = _expanded(book, key, obj, parts, path)
    return obj


def _expanded(book: "Book", key: "Key", value: Any, parts: list[str], path: str) -> Any:
    """`value` with the rest of one path expanded; null stays null."""
    if value is None:
        return None
    if isinstance(value, list):
        return [_expanded(book, key, _loaded(book, key, one), parts, path) for one in value]
    name, rest = parts[0], parts[1:]
    if name not in value:
        make = LISTS.get((value.get("object", ""), name))
        if make is None:
            if value.get("deleted") or value.get("object") == "list":
                return value
            raise errors.bad_parameter(f"This property cannot be expanded ({path}).", "expand[]")
        listed = make(book, value)
        inner: Any = envelope(listed[:10], f"/v1/{value['object']}s/{value['id']}/{name}", len(listed) > 10)
    else:
        inner = _loaded(book, key, value[name], named=name)
        if not rest and inner is value[name] and not _may_be_null(inner):
            raise errors.bad_parameter(f"This property cannot be expanded ({path}).", "expand[]")
    return {**value, name: _expanded(book, key, inner, rest, path) if rest else inner}


def _may_be_null(inner: Any) -> bool:
    """Null, an empty list and what an earlier path has expanded are fine; a plain value is not expandable."""
    return (
        inner is None
        or inner == []
        or isinstance(inner, dict)
        or (isinstance(inner, list) and isinstance(inner[0], dict))
    )


def _loaded(book: "Book", key: "Key", value: Any, named: str = "") -> Any:
    """The object behind an id (or list of ids); other values as they are."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return [_loaded(book, key, one) for one in value]
    if not isinstance(value, str):
        return value
    type_name = "coupon" if named == "coupon" else type_of(value)
    if type_name not in RIGHTS or ("_" not in value and type_name != "coupon"):
        return value
    key.require(f"rak_{RIGHTS[type_name]}_read", book.account.id)
    return book.get(type_name, value) or value
