"""GET: lists, single objects and the lists beneath them."""

from typing import TYPE_CHECKING

from . import errors
from .expansion import expand
from .forms import Json
from .lists import page, plain_page
from .objects import billing, people
from .shapes import render_stored_event

if TYPE_CHECKING:
    from .api import Call

RESOURCES = {
    "charges": ("charge", "charge"),
    "checkout/sessions": ("checkout.session", "checkout_session"),
    "coupons": ("coupon", "coupon"),
    "customers": ("customer", "customer"),
    "disputes": ("dispute", "dispute"),
    "events": ("event", "event"),
    "invoice_payments": ("invoice_payment", "invoice"),
    "invoices": ("invoice", "invoice"),
    "payment_intents": ("payment_intent", "payment_intent"),
    "payment_methods": ("payment_method", "payment_method"),
    "prices": ("price", "plan"),
    "products": ("product", "product"),
    "refunds": ("refund", "charge"),
    "subscription_schedules": ("subscription_schedule", "subscription"),
    "subscriptions": ("subscription", "subscription"),
}
"""Path to object type and to the middle word of the `rak_…` permission."""


def split(parts: list[str]) -> tuple[str, list[str]]:
    """The resource a path names and what follows: checkout/sessions is one resource."""
    size = 2 if parts[:1] == ["checkout"] else 1
    return "/".join(parts[:size]), parts[size:]


def answer(call: "Call") -> Json:
    if call.parts == ["account"] or call.parts == ["accounts", call.book.account.id]:
        call.require("rak_connected_account_read")
        return people.account(call.book.account)
    resource, rest = split(call.parts)
    if call.parts == ["subscription_items"]:
        return _items(call)
    if resource not in RESOURCES or len(rest) > 2:
        raise errors.unknown_url("GET", "/v1/" + "/".join(call.parts))
    type_name, word = RESOURCES[resource]
    call.require(f"rak_{word}_read")
    if not rest:
        return _list(call, type_name, resource)
    obj = retrieve(call, type_name, rest[0])
    return _one(call, obj) if len(rest) == 1 else _beneath(call, obj, rest[1])


def retrieve(call: "Call", type_name: str, row_id: str, param: str = "id") -> Json:
    """The object, or Stripe's 404 with the hint when the other mode has it."""
    obj = call.book.get(type_name, row_id)
    if obj is None and type_name == "payment_method" and (card := call.book.get("card", row_id)):
        return people.card_as_payment_method(call.book, card)
    if obj is not None:
        return obj
    other = call.book.account.books[not call.book.livemode]
    hint = errors.other_mode_hint(call.book.livemode) if other.get(type_name, row_id) else ""
    raise errors.missing(type_name.replace(".", " "), row_id, param, hint)


def _list(call: "Call", type_name: str, resource: str) -> Json:
    found = page(call.book, type_name, call.params, f"/v1/{resource}")
    if type_name == "event":
        found["data"] = [render_stored_event(call.book, event) for event in found["data"]]
    return expand(call.book, call.key, found, call.params.get("expand"))


def _items(call: "Call") -> Json:
    call.require("rak_subscription_read")
    if not call.params.get("subscription"):
        raise errors.required_parameter("subscription")
    subscription = retrieve(call, "subscription", call.params["subscription"], "subscription")
    found = plain_page(billing.items_of(call.book, subscription), call.params, "/v1/subscription_items")
    return expand(call.book, call.key, found, call.params.get("expand"))


def _one(call: "Call", obj: Json) -> Json:
    if obj["object"] == "event":
        obj = render_stored_event(call.book, obj)
    return expand(call.book, call.key, obj, call.params.get("expand"))


def _beneath(call: "Call", obj: Json, name: str) -> Json:
    url = f"/v1/{'/'.join(call.parts)}"
    if (obj["object"], name) in (("invoice", "lines"), ("checkout.session", "line_items")):
        found = plain_page(call.book.details.get(obj["id"], []), call.params, url)
    elif (obj["object"], name) == ("customer", "payment_methods"):
        call.require("rak_payment_method_read")
        found = page(call.book, "payment_method", {**call.params, "customer": obj["id"]}, url)
    elif (obj["object"], name) == ("charge", "refunds"):
        found = page(call.book, "refund", {**call.params, "charge": obj["id"]}, url)
    else:
        raise errors.unknown_url("GET", url)
    return expand(call.book, call.key, found, call.params.get("expand"))
