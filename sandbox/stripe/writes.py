"""POST and DELETE on what a merchant's own programs change: customers, catalogue, subscriptions, refunds, sessions."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import errors, reads
from .expansion import expand
from .forms import Json, boolean
from .scenarios import catalogue, checkout, customers, refunds, subscriptions

if TYPE_CHECKING:
    from .api import Call


def answer(call: "Call") -> Json:
    resource, rest = reads.split(call.parts)
    writer = WRITERS.get((call.method, resource, len(rest), rest[1] if len(rest) == 2 else ""))
    if writer is None or resource not in reads.RESOURCES:
        raise errors.unknown_url(call.method, "/v1/" + "/".join(call.parts))
    type_name, word = reads.RESOURCES[resource]
    call.require(f"rak_{word}_write")
    arguments = [reads.retrieve(call, type_name, rest[0])] if rest else []
    paths = call.params.pop("expand", None)
    return expand(call.book, call.key, writer(call, *arguments), paths)


CUSTOMER_PARAMETERS = {
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_settings",
    "metadata",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
}
SUBSCRIPTION_PARAMETERS = {"cancel_at", "cancel_at_period_end", "description", "metadata", "quantity"}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def _known(params: Json, names: set[str]) -> None:
    for name in params:
        if name not in names:
            raise errors.unknown_parameter(name)


def _check_customer(params: Json) -> None:
    _known(params, CUSTOMER_PARAMETERS)
    email = params.get("email")
    if email and not EMAIL.fullmatch(email):
        raise errors.bad_parameter(f"Invalid email address: {email}", "email", "email_invalid")


def _create_customer(call: "Call") -> Json:
    _check_customer(call.params)
    if not call.params:
        call.params["description"] = None  # an empty customer, where a scenario would invent a person
    return customers.create(call.book, **call.params)


def _update_customer(call: "Call", obj: Json) -> Json:
    if obj.get("deleted"):
        raise errors.missing("customer", obj["id"])
    _check_customer(call.params)
    return customers.update(call.book, obj, **call.params)


def _delete_customer(call: "Call", obj: Json) -> Json:
    if obj.get("deleted"):
        raise errors.missing("customer", obj["id"])
    return customers.delete(call.book, obj)


def _create_product(call: "Call") -> Json:
    if not call.params.get("name"):
        raise errors.required_parameter("name")
    return catalogue.add_product(call.book, **call.params)


def _create_price(call: "Call") -> Json:
    for name in ("currency", "product"):
        if not call.params.get(name):
            raise errors.required_parameter(name)
    reads.retrieve(call, "product", call.params["product"], "product")
    return catalogue.add_price(call.book, **{**call.params, **(call.params.pop("recurring", None) or {})})


def _create_coupon(call: "Call") -> Json:
    return catalogue.add_coupon(call.book, **call.params)


def _create_subscription(call: "Call") -> Json:
    customer = reads.retrieve(call, "customer", call.params.get("customer", ""), "customer")
    items = call.params.get("items")
    if not isinstance(items, list) or not items[0].get("price"):
        raise errors.required_parameter("items")
    prices = [reads.retrieve(call, "price", item["price"], "items[0][price]")["id"] for item in items]
    quantities = [int(item.get("quantity") or 1) for item in items]
    return subscriptions.subscribe(
        call.book,
        customer=customer["id"],
        prices=prices,
        quantities=quantities,
        trial_days=int(call.params.get("trial_period_days") or 0),
        metadata=call.params.get("metadata"),
    )


def _update_subscription(call: "Call", obj: Json) -> Json:
    given = dict(call.params)
    _known(given, SUBSCRIPTION_PARAMETERS)
    if "cancel_at" in given:
        given["cancel_at"] = int(given["cancel_at"]) if given["cancel_at"] else None
        given["canceled_at"] = call.book.now() if given["cancel_at"] else None
    if "cancel_at_period_end" in given:
        given["cancel_at_period_end"] = boolean(given["cancel_at_period_end"])
    return subscriptions.modify(call.book, obj, **given)


def _cancel_subscription(call: "Call", obj: Json) -> Json:
    return subscriptions.cancel(call.book, subscription=obj["id"])


def _create_refund(call: "Call") -> Json:
    charge = call.params.get("charge")
    if not charge and call.params.get("payment_intent"):
        charge = reads.retrieve(call, "payment_intent", call.params["payment_intent"], "payment_intent")[
            "latest_charge"
        ]
    charge = reads.retrieve(call, "charge", charge or "", "charge")["id"]
    amount = call.params.get("amount")
    return refunds.refund(
        call.book, charge=charge, amount=int(amount) if amount else None, reason=call.params.get("reason")
    )


def _create_session(call: "Call") -> Json:
    items = call.params.get("line_items") or []
    prices = [reads.retrieve(call, "price", item.get("price", ""), "line_items[0][price]")["id"] for item in items]
    return checkout.open_session(
        call.book,
        mode=call.params.get("mode") or "payment",
        prices=prices,
        customer=call.params.get("customer"),
        customer_email=call.params.get("customer_email"),
        metadata=call.params.get("metadata"),
        client_reference_id=call.params.get("client_reference_id"),
    )


def _expire_session(call: "Call", obj: Json) -> Json:
    return checkout.expire(call.book, session=obj["id"])


WRITERS: dict[tuple[str, str, int, str], Callable[..., Json]] = {
    ("POST", "customers", 0, ""): _create_customer,
    ("POST", "customers", 1, ""): _update_customer,
    ("DELETE", "customers", 1, ""): _delete_customer,
    ("POST", "products", 0, ""): _create_product,
    ("POST", "prices", 0, ""): _create_price,
    ("POST", "coupons", 0, ""): _create_coupon,
    ("POST", "subscriptions", 0, ""): _create_subscription,
    ("POST", "subscriptions", 1, ""): _update_subscription,
    ("DELETE", "subscriptions", 1, ""): _cancel_subscription,
    ("POST", "refunds", 0, ""): _create_refund,
    ("POST", "checkout/sessions", 0, ""): _create_session,
    ("POST", "checkout/sessions", 2, "expire"): _expire_session,
}
"""By method, resource, number of path parts after it, and the verb at the end."""
