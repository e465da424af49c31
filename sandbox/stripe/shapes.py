"""Objects in the shapes of older API versions, for accounts and endpoints that never moved on.

The sandbox keeps everything in the shape of 2026-10-28.endive. A version older than a change gets that change undone,
newest first. Keys that were only added are left in: Stripe sends them in old versions too.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import events
from .forms import Json
from .lists import envelope, subscription_of
from .objects.catalogue import plan_of

if TYPE_CHECKING:
    from .book import Book

CURRENT = "2026-10-28"
Change = Callable[["Book", Json], Json]


def render(book: "Book", value: Any, version: str | None) -> Any:
    """`value` (an object, a list or what they hold) as `version` shows it. None is the newest."""
    date = (version or CURRENT)[:10]
    changes = [by_type for since, by_type in CHANGES if date < since]
    return _walk(book, value, changes) if changes else value


def _walk(book: "Book", value: Any, changes: list[dict[str, Change]]) -> Any:
    if isinstance(value, list):
        return [_walk(book, one, changes) for one in value]
    if not isinstance(value, dict):
        return value
    value = {key: _walk(book, inner, changes) for key, inner in value.items()}
    for by_type in changes:
        change = by_type.get(value.get("object", ""))
        if change is not None and not value.get("deleted"):
            value = change(book, value)
    return value


def render_event(book: "Book", event: Json, version: str | None) -> Json:
    """An event as an endpoint of `version` gets it (None: the account's default): object and previous_attributes."""
    version = version or event["api_version"]
    after = event["data"]["object"]
    data: Json = {"object": render(book, after, version)}
    if "previous_attributes" in event["data"]:
        before = render(book, events.undone(after, event["data"]["previous_attributes"]), version)
        data["previous_attributes"] = events.difference(before, data["object"])
    return {**event, "api_version": version, "data": data}


def render_stored_event(book: "Book", event: Json) -> Json:
    """An event as GET /v1/events shows it: in the version of its birth, whatever the request asks for."""
    return render_event(book, event, event["api_version"])


def _coupon_inline(book: "Book", discount: Json) -> Json:
    source = discount["source"]["coupon"]
    coupon = book.get("coupon", source) if isinstance(source, str) else source
    return {key: value for key, value in discount.items() if key != "source"} | {"coupon": coupon}


def _first_discount(book: "Book", ids: list[Any]) -> Json | None:
    if not ids:
        return None
    discount = book.get("discount", ids[0]) if isinstance(ids[0], str) else ids[0]
    return _coupon_inline(book, discount) if discount and "source" in discount else discount


def _subscription_before_basil(book: "Book", subscription: Json) -> Json:
    items = subscription["items"]["data"]
    period = {
        "current_period_end": min(item["current_period_end"] for item in items),
        "current_period_start": max(item["current_period_start"] for item in items),
    }
    bare = [{key: value for key, value in item.items() if key not in period} for item in items]
    discount = _first_discount(book, subscription["discounts"])
    return {**subscription, **period, "discount": discount, "items": {**subscription["items"], "data": bare}}


def _tie(book: "Book", index: str, row_id: str) -> Json | None:
    return next(iter(book.collection("invoice_payment").where(index, row_id)), None)


def _charge_before_basil(book: "Book", charge: Json) -> Json:
    tie = _tie(book, "payment_intent", str(charge["payment_intent"]))
    return {**charge, "invoice": tie and tie["invoice"]}


def _intent_before_basil(book: "Book", intent: Json) -> Json:
    tie = _tie(book, "payment_intent", intent["id"])
    return {**intent, "invoice": tie and tie["invoice"]}


def _invoice_before_basil(book: "Book", invoice: Json) -> Json:
    tie = _tie(book, "invoice", invoice.get("id", ""))
    intent = book.get("payment_intent", tie["payment"]["payment_intent"]) if tie else None
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    taxes = invoice["total_taxes"] or []
    gone = ("parent", "total_taxes", "amount_overpaid", "payments")
    return {key: value for key, value in invoice.items() if key not in gone} | {
        "application_fee_amount": None,
        "charge": intent and intent["latest_charge"],
        "discount": _first_discount(book, invoice["discounts"]),
        "paid": invoice["status"] == "paid",
        "paid_out_of_band": False,
        "payment_intent": intent and intent["id"],
        "quote": None,
        "subscription": subscription_of(invoice),
        "subscription_details": {"metadata": details.get("metadata")},
        "tax": sum(tax["amount"] for tax in taxes) if taxes else None,
        "total_tax_amounts": [
            {"amount": tax["amount"], "inclusive": False, "tax_rate": tax["tax_rate_details"]["tax_rate"]}
            for tax in taxes
        ],
        "transfer_data": None,
    }


def _line_before_basil(book: "Book", line: Json) -> Json:
    origin = (line["parent"] or {}).get("subscription_item_details") or {}
    price = book.get("price", line["pricing"]["price_details"]["price"])
    gone = ("parent", "pricing", "taxes", "subtotal", "quantity_decimal")
    return {key: value for key, value in line.items() if key not in gone} | {
        "amount_excluding_tax": line["amount"],
        "invoice_item": origin.get("invoice_item"),
        "plan": plan_of(price) if price and price["recurring"] else None,
        "price": price,
        "proration": bool(origin.get("proration")),
        "proration_details": {"credited_items": None},
        "subscription": origin.get("subscription"),
        "subscription_item": origin.get("subscription_item"),
        "tax_amounts": [],
        "tax_rates": [],
        "type": "subscription" if origin else "invoiceitem",
        "unit_amount_excluding_tax": line["pricing"]["unit_amount_decimal"],
    }


def _subscription_before_discounts(book: "Book", subscription: Json) -> Json:
    """One discount at most, and only on the subscription itself."""
    items = [
        {key: value for key, value in item.items() if key != "discounts"} for item in subscription["items"]["data"]
    ]
    kept = {key: value for key, value in subscription.items() if key != "discounts"}
    return {**kept, "items": {**subscription["items"], "data": items}}


def _session_before_basil(book: "Book", session: Json) -> Json:
    shipping = (session["collected_information"] or {}).get("shipping_details")
    kept = {key: value for key, value in session.items() if key != "collected_information"}
    return {**kept, "shipping_details": shipping}


def _intent_before_2022(book: "Book", intent: Json) -> Json:
    charges = book.collection("charge").where("payment_intent", intent["id"])
    listed = render(book, charges, "2022-08-01")
    kept = {key: value for key, value in intent.items() if key != "latest_charge"}
    return {**kept, "charges": envelope(listed, f"/v1/charges?payment_intent={intent['id']}")}


def _charge_before_2022(book: "Book", charge: Json) -> Json:
    refunds = book.collection("refund").where("charge", charge["id"])
    return {**charge, "refunds": envelope(refunds, f"/v1/charges/{charge['id']}/refunds")}


def _session_before_august_2022(book: "Book", session: Json) -> Json:
    kept = {key: value for key, value in session.items() if key != "shipping_details"}
    details = session["customer_details"]
    if details:
        details = {name: details[name] for name in ("email", "phone", "tax_exempt", "tax_ids")}
    return {**kept, "customer_details": details, "shipping": session["shipping_details"], "shipping_rate": None}


CHANGES: list[tuple[str, dict[str, Change]]] = [
    ("2025-09-30", {"discount": _coupon_inline}),
    (
        "2025-03-31",
        {
            "charge": _charge_before_basil,
            "checkout.session": _session_before_basil,
            "invoice": _invoice_before_basil,
            "line_item": _line_before_basil,
            "payment_intent": _intent_before_basil,
            "subscription": _subscription_before_basil,
        },
    ),
    ("2024-04-10", {"subscription": _subscription_before_discounts}),
    ("2022-11-15", {"charge": _charge_before_2022, "payment_intent": _intent_before_2022}),
    ("2022-08-01", {"checkout.session": _session_before_august_2022}),
]
"""By the date of the version that made it: how each type looked before."""
