"""Stripe's events and list rows in our words. Pure: no database, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from zlib import crc32

from common.text import storable, storable_json
from connections.sources.base import Json, ObjectState, SourceRecord, Translation
from connections.sources.stripe import cards, shapes
from connections.sources.stripe.events import EVENTS
from connections.sources.stripe.fields import follows

# Objects worth holding when they come expanded inside another one.
_HELD = {
    "customer",
    "price",
    "product",
    "payment_method",
    "invoice",
    "invoice_payment",
    "charge",
    "payment_intent",
    "discount",
    "coupon",
    "subscription_schedule",
    *cards.OLD,
}
_RESOURCE_OF = {
    "charge": "charge",
    "customer": "customer",
    "subscription": "subscription",
    "invoice": "invoice",
    "checkout_session": "checkout_session",
    "dispute": "charge",
    "payment_intent": "charge",
}
_PURCHASES = ("charge", "invoice", "checkout_session")
_DEEPEST = 12
# Workers share the inbox by lanes, so that two do not meet at one customer. More than so many help no further.
LANES = 16
# What belongs to somebody's purchase and does not name the customer may meet anybody: one worker at a time.
NOBODYS = LANES
_NAMELESS = ("dispute", "invoice_payment", "refund")


class Unreadable(ValueError):
    """A signed body that is not an event: kept, shown, never retried."""


@dataclass(frozen=True)
class Envelope:
    """What the inbox needs to know of an event before anybody works on it.

    `lane`: 0 to LANES - 1, the same for all events of a customer, or NOBODYS.
    """

    id: str
    type: str
    created: datetime
    api_version: str
    livemode: bool | None
    account: str
    object_id: str
    lane: int = 0


def parse(body: bytes) -> Json:
    """A signed body as JSON an event may be. Unreadable for anything else, however deep or odd."""
    try:
        event = storable_json(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("The body is not JSON that can be read.") from error
    if not isinstance(event, dict) or not isinstance(event.get("id"), str) or not isinstance(event.get("type"), str):
        raise Unreadable("The body is not a Stripe event.")
    if not event["id"] or not isinstance(shapes.get(event, "data", "object"), dict):
        raise Unreadable("The event has no object.")
    return event


def name_of(body: bytes) -> str:
    """What an unreadable body is kept under: its own id, so that it is kept once whoever brings it; else a made one."""
    return _text_of(body, "id")[:255] or f"unreadable-{sha256(body).hexdigest()[:40]}"


def type_of(body: bytes) -> str:
    """The type that an unreadable body claims to be of, or ""."""
    return _text_of(body, "type")


def _text_of(body: bytes, name: str) -> str:
    try:
        event = storable_json(body)
    except (ValueError, RecursionError):
        return ""
    return storable(shapes.text(event.get(name))) if isinstance(event, dict) else ""


def envelope(event: Json) -> Envelope:
    """Unreadable if the event's time cannot be read."""
    created = shapes.moment(event.get("created"))
    if created is None:
        raise Unreadable("The event has no readable time.")
    livemode = event.get("livemode")
    body = event["data"]["object"]
    whose = shapes.customer_id(body)
    is_nameless = not whose and shapes.text(body.get("object")) in _NAMELESS
    whose = whose or shapes.text(body.get("id"))
    return Envelope(
        id=storable(event["id"])[:255],
        type=storable(event["type"])[:120],
        created=created,
        api_version=storable(shapes.text(event.get("api_version")))[:60],
        livemode=livemode if isinstance(livemode, bool) else None,
        account=shapes.text(event.get("account")),
        object_id=storable(shapes.text(shapes.get(event, "data", "object", "id")))[:255],
        lane=NOBODYS if is_nameless else crc32(whose.encode(errors="replace")) % LANES,
    )


def from_event(event: Json) -> Translation:
    """States and record of a parsed event. The record is None for an event of no resource."""
    about = envelope(event)
    body: Json = event["data"]["object"]
    previous = shapes.get(event, "data", "previous_attributes")
    kind = shapes.object_type(body)
    known = EVENTS.get(about.type)
    deleted = body.get("deleted") is True or about.type == "customer.deleted"
    states = []
    if about.object_id and not _is_preview(about.type):
        states.append(
            ObjectState(
                type=_type(body)[:40],
                external_id=about.object_id,
                as_of=about.created,
                body=_kept(body),
                event_id=about.id,
                event_type=about.type,
                api_version=about.api_version,
                deleted=deleted,
                previous=previous if isinstance(previous, dict) else None,
            )
        )
    states += embedded(body, about.created)
    if known is None:
        return Translation(tuple(states), None)
    return Translation(
        tuple(states),
        SourceRecord(
            resource=known.resource,
            object_type=kind,
            object_id=about.object_id,
            subject=_subject(kind, about.object_id, body),
            before=shapes.undo(body, previous) if previous else None,
            after=body,
            occurred_at=about.created,
            event_id=about.id,
            event_type=about.type,
        ),
    )


def from_row(body: Json, asked_at: datetime) -> Translation:
    """States and record of one row of a list, as it was when we asked (Stripe's clock)."""
    kind = shapes.object_type(body)
    state = ObjectState(
        type=_type(body),
        external_id=shapes.text(body.get("id")),
        as_of=asked_at,
        body=_kept(body),
        deleted=body.get("deleted") is True,
        fetched=True,
    )
    return Translation(
        (state, *embedded(body, asked_at)),
        SourceRecord(
            resource=_RESOURCE_OF.get(kind, kind),
            object_type=kind,
            object_id=state.external_id,
            subject=state.key,
            before=None,
            after=body,
            occurred_at=shapes.moment(body.get("created")) or asked_at,
        ),
    )


def needs(subject: Json, source_keys: set[str]) -> set[str]:
    """Keys of the objects behind ids that a record's mapping follows: always the customer, products if mapped."""
    keys = set()
    customer = shapes.customer_id(subject)
    if customer and subject.get("object") != "customer":
        keys.add(f"customer:{customer[:255]}")
    if follows(source_keys, "product"):
        ids = (shapes.id_of(shapes.get(item, "price", "product")) for item in shapes.items(subject))
        keys |= {f"product:{id_[:255]}" for id_ in ids if id_}
    return keys


def _subject(kind: str, object_id: str, body: Json) -> str:
    charge = {"dispute": body.get("charge"), "payment_intent": body.get("latest_charge")}.get(kind)
    return f"charge:{shapes.id_of(charge)[:255]}" if shapes.id_of(charge) else f"{kind}:{object_id}"


def embedded(body: Json, as_of: datetime) -> list[ObjectState]:
    """Whole objects that came inside another one, expanded or inlined, as facts of the same moment."""
    return [
        ObjectState(
            type=_type(inner),
            external_id=inner["id"],
            as_of=as_of,
            body=_kept(inner),
            deleted=inner.get("deleted") is True,
            fetched=True,
        )
        for inner in _inside(body)
    ]


def _type(body: Json) -> str:
    """Cards of old are payment methods with their own id."""
    kind = shapes.object_type(body)
    return "payment_method" if kind in cards.OLD else kind


def _kept(body: Json) -> Json:
    """What we hold of an object. Of a coupon that thousands share not how often it was redeemed, and of a discount the
    same whether its coupon came with it or not: else every event would change them. So would it be with a customer
    whose card comes along in one list and not in another; a customer is held once, not in each of its bills.
    """
    kind = body.get("object")
    if kind == "coupon":
        return {name: body.get(name) for name in ("id", "object", "name")}
    if kind == "discount":
        return {"id": body.get("id"), "object": kind, "coupon": shapes.id_of(shapes.coupon(body))}
    if kind != "customer":
        return cards.as_payment_method(_without_customer(body))
    settings = body.get("invoice_settings")
    if isinstance(settings, dict) and (told := _by_id(settings, "default_payment_method")) is not settings:
        body = body | {"invoice_settings": told}
    return _by_id(body, "default_source")


def _without_customer(body: Json) -> Json:
    """The body with its customer's id. Its order is told the address it was bought with: where it has none of its own,
    that is the one its customer had.
    """
    named = _by_id(body, "customer")
    if named is body or shapes.object_type(body) not in _PURCHASES or shapes.email(named, None):
        return named
    address = shapes.text(shapes.get(body, "customer", "email"))
    return named | {"customer": {"id": named["customer"], "email": address}} if address else named


def _by_id(body: Json, name: str) -> Json:
    """The body with the id of an object that came along in it and is held by itself."""
    inner = body.get(name)
    if isinstance(inner, dict) and inner.get("object") in _HELD and shapes.id_of(inner):
        return body | {name: shapes.id_of(inner)}
    return body


def _inside(body: Json) -> Iterator[Json]:
    """Every whole object in it, itself left out. A plain stack of the containers of parsed JSON: this walk is a tenth
    of what an event costs.
    """
    level: list[Any] = [inner for inner in body.values() if type(inner) is dict or type(inner) is list]
    for _ in range(_DEEPEST):
        deeper: list[Any] = []
        for value in level:
            if type(value) is dict:
                kind = value.get("object")
                if type(kind) is str and kind in _HELD and value.get("id") and isinstance(value["id"], str):
                    yield value
                value = value.values()
            deeper += [inner for inner in value if type(inner) is dict or type(inner) is list]
        if not deeper:
            return
        level = deeper


def _is_preview(event_type: str) -> bool:
    # An upcoming invoice does not exist yet: it has no id, or one that cannot be fetched.
    return event_type == "invoice.upcoming"
