"""Stripe fields that can be mapped, declared once: key, label, type, example, and how to read it.

A key is a path in the object, or one followed to its customer, price or product ("customer.email"). For the resource
Customer the prefix `customer.` may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

from common import fields as catalogue
from common.fields import Field, FieldType
from common.money import as_text
from connections.sources.base import HeldObject, Json, ValueOf, View
from connections.sources.stripe import shapes
from connections.sources.stripe.field_table import TABLE, Row

# Objects that change over time speak with one voice each; the others with one voice a kind, by their own `created`.
_CHANGING = {"customer", "subscription", "product", "price"}
_METADATA = "metadata."
_CUSTOMER_METADATA = "customer.metadata."


class _Found(NamedTuple):
    """A raw value and the object it stands in. `currency` is for amounts."""

    value: Any
    holder: HeldObject
    currency: str = ""


def name(kind: str) -> str:
    """Name of the resource's catalogue in common.fields."""
    return f"stripe.{kind}"


def register() -> None:
    """Declare the fields of all five resources."""
    for kind in TABLE:
        catalogue.register(name(kind), partial(_declared, kind))


def _declared(kind: str) -> list[Field]:
    return [row.field for row in TABLE[kind]]


def offered(kind: str, bodies: Iterable[tuple[Json, Json | None]]) -> list[Field]:
    """The resource's fields, and the metadata keys found on these (object, customer) pairs."""
    found: dict[str, Field] = {}
    for body, customer in bodies:
        own = _METADATA if kind != "customer" else _CUSTOMER_METADATA
        for prefix, holder, group in ((own, body, "Metadata"), (_CUSTOMER_METADATA, customer, "Customer metadata")):
            for key, value in (shapes.get(holder, "metadata") or {}).items():
                if isinstance(key, str) and isinstance(value, str):
                    found.setdefault(prefix + key, Field(prefix + key, key, FieldType.TEXT, group, value))
    return [*_declared(kind), *sorted(found.values(), key=lambda field: field.key)]


def canonical(kind: str, key: str) -> str | None:
    """The key as the catalogue has it, or None for a key it does not know. Any metadata key is known."""
    known = {row.field.key for row in TABLE[kind]}
    if key in known:
        return key
    if kind == "customer" and (f"customer.{key}" in known or key.startswith(_METADATA)):
        return f"customer.{key}"
    if key.startswith((_METADATA, _CUSTOMER_METADATA)) and not key.endswith("."):
        return key
    return None


def follows(keys: Iterable[str], prefix: str) -> bool:
    """Does any key lead to the object behind this prefix ("product")?"""
    return any(key.startswith(f"{prefix}.") for key in keys)


def read(view: View, key: str) -> ValueOf | None:
    """The value of a field in this record; None if it has none. Times are datetimes, amounts decimal strings."""
    place = _place(view.kind, key)
    found = _email(view) if key == "email" else _find(view, place)
    if found is None or found.value in (None, "", [], {}):
        return None
    values = [_typed(value, place.type, found.currency) for value in _each(found.value)]
    values = [value for value in values if value not in (None, "")]
    if not values:
        return None
    return _told(values[0] if len(values) == 1 else values, found.holder)


def source_of(view: View, key: str = "") -> ValueOf | None:
    """Who would have told this field, with an empty value: how a lost value is withdrawn. Without a key the record's
    own object. None if we do not hold it, or it is gone and left nothing but its id.
    """
    holder = _place(view.kind, key).holder(view) if key else view.own
    return None if holder is None or (holder.gone and shapes.is_stub(holder.body)) else _told(None, holder)


def _told(value: Any, holder: HeldObject) -> ValueOf:
    if holder.type in _CHANGING:
        return ValueOf(value, f"stripe:{holder.type}:{holder.id}", holder.id, holder.as_of)
    own_time = shapes.moment(holder.body.get("created")) or holder.as_of
    return ValueOf(value, f"stripe:{holder.type}", holder.id, own_time)


def _find(view: View, place: _Place) -> _Found | None:
    holder = place.holder(view)
    if holder is None:
        return None
    if place.read is not None:
        return _Found(place.read(holder.body), holder, _currency(holder.body))
    if holder.type == "product":
        return _Found([shapes.get(product.body, *place.path) for product in _products(view)], holder)
    return _Found(shapes.get(holder.body, *place.path), holder, _currency(holder.body))


class _Place(NamedTuple):
    """Where a key is read: the object of a view that has it, and a path in it or a function for a place that moved."""

    holder: Callable[[View], HeldObject | None]
    path: tuple[str, ...]
    read: Callable[[Json], Any] | None
    type: FieldType


@lru_cache(maxsize=4096)
def _place(kind: str, key: str) -> _Place:
    row = _row(kind, key)
    holder = _customer if key.startswith("customer.") else _product if key.startswith("product.") else _own
    if row is None:
        return _Place(holder, ("metadata", key.partition(_METADATA)[2]), None, FieldType.TEXT)
    return _Place(holder, row.path, row.read, row.field.type)


def _email(view: View) -> _Found | None:
    customer = _customer(view)
    address = shapes.email(view.own.body, customer.body if customer else None)
    if not address:
        return None
    from_customer = customer is not None and shapes.text(customer.body.get("email")) == address
    return _Found(address, customer if customer and from_customer else view.own)


def _own(view: View) -> HeldObject:
    return view.own


def _product(view: View) -> HeldObject | None:
    return next(iter(_products(view)), None)


def _customer(view: View) -> HeldObject | None:
    if view.own.type == "customer":
        return view.own
    return view.held.get(f"customer:{shapes.customer_id(view.own.body)}")


def _products(view: View) -> list[HeldObject]:
    """Products of the subscription's items, as far as we hold them."""
    ids = [shapes.id_of(shapes.get(item, "price", "product")) for item in shapes.items(view.own.body)]
    return [view.held[key] for id_ in ids if (key := f"product:{id_}") in view.held]


def _row(kind: str, key: str) -> Row | None:
    return _rows(kind).get(key)


@cache
def _rows(kind: str) -> dict[str, Row]:
    return {row.field.key: row for row in TABLE[kind]}


def _currency(body: Json) -> str:
    return shapes.text(body.get("currency"))


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _typed(value: Any, kind: FieldType, currency: str) -> Any:
    if kind == FieldType.DATETIME:
        return value if isinstance(value, datetime) else shapes.moment(value)
    if kind == FieldType.MONEY:
        return as_text(value, currency) if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, dict | list):
        return None
    return value
