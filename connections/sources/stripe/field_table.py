"""The declarations behind connections.sources.stripe.fields, resource by resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common.fields import Field, FieldType
from connections.sources.base import Json
from connections.sources.stripe import shapes

TEXT, MONEY, TIME = FieldType.TEXT, FieldType.MONEY, FieldType.DATETIME
YES_NO, NUMBER, EMAIL = FieldType.BOOLEAN, FieldType.NUMBER, FieldType.EMAIL


@dataclass(frozen=True)
class Row:
    """A field, and where it stands: a path in its object, or a function for a place that moved."""

    field: Field
    path: tuple[str, ...] = ()
    read: Callable[[Json], Any] | None = None


def _row(key: str, label: str, group: str, type_: FieldType = TEXT, example: str = "", path: str = "") -> Row:
    return Row(Field(key, label, type_, group, example), tuple((path or key).split(".")))


def _read(key: str, label: str, group: str, type_: FieldType, read: Callable[[Json], Any], example: str = "") -> Row:
    return Row(Field(key, label, type_, group, example), (), read)


def _address(prefix: str, label: str, group: str, path: str) -> list[Row]:
    parts = [
        ("line1", "line 1", "12 Mill Lane"),
        ("line2", "line 2", "Flat 3"),
        ("city", "city", "Leeds"),
        ("state", "state", "West Yorkshire"),
        ("postal_code", "postal code", "LS1 4AP"),
        ("country", "country", "GB"),
    ]
    return [
        _row(f"{prefix}.{part}", f"{label} {words}", group, TEXT, example, f"{path}.{part}")
        for part, words, example in parts
    ]


def _customer_name(customer: Json) -> str:
    """The person's own name where Stripe knows it apart from the business."""
    return shapes.text(customer.get("individual_name")) or shapes.text(customer.get("name"))


_CUSTOMER = [
    _row("customer.email", "Customer email", "Customer", EMAIL, "ada@mill.example", "email"),
    _row("customer.id", "Stripe customer ID", "Customer", TEXT, "cus_R4tXv0hQe2Wm9c", "id"),
    _read("customer.name", "Customer name", "Customer", TEXT, _customer_name, "Ada de la Cruz"),
    _row("customer.phone", "Customer phone", "Customer", TEXT, "+44 113 496 0000", "phone"),
    _row("customer.business_name", "Business name", "Customer", TEXT, "Mill Lane Ltd", "business_name"),
    _row("customer.description", "Customer description", "Customer", TEXT, "Came by referral", "description"),
    *_address("customer.address", "Address", "Customer address", "address"),
    _row("customer.shipping.name", "Shipping name", "Customer shipping", TEXT, "Ada de la Cruz", "shipping.name"),
    _row("customer.shipping.phone", "Shipping phone", "Customer shipping", TEXT, "", "shipping.phone"),
    *_address("customer.shipping.address", "Shipping address", "Customer shipping", "shipping.address"),
    _row("customer.created", "Customer since", "Customer", TIME, "", "created"),
    _row("customer.currency", "Currency", "Customer", TEXT, "eur", "currency"),
    _row("customer.balance", "Balance", "Customer", MONEY, "0.00", "balance"),
    _row("customer.delinquent", "Delinquent", "Customer", YES_NO, "", "delinquent"),
    _row("customer.tax_exempt", "Tax status", "Customer", TEXT, "none", "tax_exempt"),
    _row("customer.preferred_locales", "Preferred languages", "Customer", TEXT, "en-GB", "preferred_locales"),
    _row("customer.invoice_prefix", "Invoice prefix", "Customer", TEXT, "7FE1103", "invoice_prefix"),
]

_BEST_EMAIL = Row(Field("email", "Email, wherever it is found", EMAIL, "Customer", "ada@mill.example"))

TABLE: dict[str, list[Row]] = {
    "charge": [
        _BEST_EMAIL,
        *_CUSTOMER,
        _row("billing_details.email", "Billing email", "Billing details", EMAIL, "ada@mill.example"),
        _row("billing_details.name", "Billing name", "Billing details", TEXT, "Ada de la Cruz"),
        _row("billing_details.phone", "Billing phone", "Billing details"),
        *_address("billing_details.address", "Billing address", "Billing details", "billing_details.address"),
        _row("receipt_email", "Receipt email", "Charge", EMAIL),
        _row("id", "Charge ID", "Charge", TEXT, "ch_3Qd8eFz"),
        _row("amount", "Amount", "Charge", MONEY, "49.00"),
        _row("amount_refunded", "Amount refunded", "Charge", MONEY, "0.00"),
        _row("currency", "Charge currency", "Charge", TEXT, "eur"),
        _row("status", "Charge status", "Charge", TEXT, "succeeded"),
        _row("paid", "Paid", "Charge", YES_NO),
        _row("refunded", "Fully refunded", "Charge", YES_NO),
        _row("disputed", "Disputed", "Charge", YES_NO),
        _row("description", "Charge description", "Charge"),
        _row("failure_message", "Failure message", "Charge"),
        _row("payment_method_details.type", "Payment method", "Charge", TEXT, "card"),
        _row("payment_method_details.card.brand", "Card brand", "Charge", TEXT, "visa"),
        _row("payment_method_details.card.last4", "Card last four digits", "Charge", TEXT, "4242"),
        _row("payment_method_details.card.exp_month", "Card expiry month", "Charge", NUMBER, "8"),
        _row("payment_method_details.card.exp_year", "Card expiry year", "Charge", NUMBER, "2028"),
        _row("receipt_number", "Receipt number", "Charge"),
        _row("receipt_url", "Receipt link", "Charge"),
        _row("shipping.name", "Charge shipping name", "Charge"),
        _row("created", "Charge date", "Charge", TIME),
    ],
    "customer": [Row(Field("email", "Email", EMAIL, "Customer", "ada@mill.example")), *_CUSTOMER],
    "subscription": [
        _BEST_EMAIL,
        *_CUSTOMER,
        _row("id", "Subscription ID", "Subscription", TEXT, "sub_1QKd8eFz"),
        _row("status", "Subscription status", "Subscription", TEXT, "active"),
        _row("currency", "Subscription currency", "Subscription", TEXT, "eur"),
        _row("description", "Subscription description", "Subscription"),
        _row("start_date", "Start date", "Subscription", TIME),
        _row("created", "Created", "Subscription", TIME),
        _read("current_period_start", "Current period start", "Subscription", TIME, shapes.period_start),
        _read("current_period_end", "Current period end", "Subscription", TIME, shapes.period_end),
        _row("trial_end", "Trial end", "Subscription", TIME),
        _read("cancel_at_period_end", "Will cancel", "Subscription", YES_NO, shapes.will_cancel),
        _row("cancel_at", "Cancels at", "Subscription", TIME),
        _row("canceled_at", "Cancellation requested", "Subscription", TIME),
        _row("ended_at", "Ended", "Subscription", TIME),
        _row("cancellation_details.reason", "Cancellation reason", "Subscription"),
        _row("cancellation_details.feedback", "Cancellation feedback", "Subscription", TEXT, "too_expensive"),
        _row("cancellation_details.comment", "Cancellation comment", "Subscription"),
        _row("collection_method", "Collection method", "Subscription", TEXT, "charge_automatically"),
        _read("quantity", "Quantity", "Subscription", NUMBER, lambda s: [i.get("quantity") for i in shapes.items(s)]),
        _read("price.id", "Price ID", "Price", TEXT, lambda s: _prices(s, "id"), "price_1Pgafm"),
        _read("price.nickname", "Price nickname", "Price", TEXT, lambda s: _prices(s, "nickname"), "Pro, monthly"),
        _read("price.lookup_key", "Price lookup key", "Price", TEXT, lambda s: _prices(s, "lookup_key"), "PRO-M"),
        _read("price.unit_amount", "Price amount", "Price", MONEY, lambda s: _prices(s, "unit_amount"), "49.00"),
        _read(
            "price.recurring.interval",
            "Billing interval",
            "Price",
            TEXT,
            lambda s: _prices(s, "recurring", "interval"),
            "month",
        ),
        _row("product.name", "Product name", "Product", TEXT, "Pro plan", "name"),
        _row("product.id", "Product ID", "Product", TEXT, "prod_QXg1", "id"),
        _row("product.description", "Product description", "Product", TEXT, "", "description"),
    ],
    "invoice": [
        _BEST_EMAIL,
        *_CUSTOMER,
        _row("customer_email", "Email on the invoice", "Invoice", EMAIL),
        _row("customer_name", "Name on the invoice", "Invoice"),
        _row("customer_phone", "Phone on the invoice", "Invoice"),
        *_address("customer_address", "Invoice address", "Invoice", "customer_address"),
        _row("id", "Invoice ID", "Invoice", TEXT, "in_1QKd"),
        _row("number", "Invoice number", "Invoice", TEXT, "7FE1103-0001"),
        _row("status", "Invoice status", "Invoice", TEXT, "paid"),
        _row("billing_reason", "Billing reason", "Invoice", TEXT, "subscription_cycle"),
        _row("total", "Total", "Invoice", MONEY, "49.00"),
        _row("subtotal", "Subtotal", "Invoice", MONEY),
        _read("tax", "Tax", "Invoice", MONEY, shapes.invoice_tax),
        _row("amount_due", "Amount due", "Invoice", MONEY),
        _row("amount_paid", "Amount paid", "Invoice", MONEY),
        _row("amount_remaining", "Amount remaining", "Invoice", MONEY),
        _row("currency", "Invoice currency", "Invoice", TEXT, "eur"),
        _row("description", "Invoice description", "Invoice"),
        _row("attempt_count", "Payment attempts", "Invoice", NUMBER),
        _row("next_payment_attempt", "Next payment attempt", "Invoice", TIME),
        _row("due_date", "Due date", "Invoice", TIME),
        _row("hosted_invoice_url", "Invoice page", "Invoice"),
        _row("invoice_pdf", "Invoice PDF", "Invoice"),
        _read("subscription", "Subscription ID", "Invoice", TEXT, shapes.invoice_subscription),
        _row("created", "Invoice date", "Invoice", TIME),
    ],
    "checkout_session": [
        _BEST_EMAIL,
        *_CUSTOMER,
        _row("customer_details.email", "Buyer's email", "Buyer", EMAIL),
        _row("customer_details.name", "Buyer's name", "Buyer", TEXT, "Ada de la Cruz"),
        _row("customer_details.phone", "Buyer's phone", "Buyer"),
        _row("customer_details.business_name", "Buyer's business name", "Buyer"),
        *_address("customer_details.address", "Buyer's address", "Buyer", "customer_details.address"),
        _read("shipping.name", "Ship to", "Buyer", TEXT, lambda s: shapes.session_shipping(s).get("name")),
        _row("consent.promotions", "Marketing consent", "Buyer", TEXT, "opt_in"),
        _row("id", "Checkout Session ID", "Checkout Session", TEXT, "cs_live_a1"),
        _row("mode", "Mode", "Checkout Session", TEXT, "payment"),
        _row("status", "Checkout status", "Checkout Session", TEXT, "complete"),
        _row("payment_status", "Payment status", "Checkout Session", TEXT, "paid"),
        _row("amount_total", "Total", "Checkout Session", MONEY, "49.00"),
        _row("amount_subtotal", "Subtotal", "Checkout Session", MONEY),
        _row("currency", "Checkout currency", "Checkout Session", TEXT, "eur"),
        _row("client_reference_id", "Client reference", "Checkout Session"),
        _row("customer_email", "Pre-filled email", "Checkout Session", EMAIL),
        _row("created", "Checkout date", "Checkout Session", TIME),
    ],
}


def _prices(subscription: Json, *path: str) -> list[Any]:
    return [shapes.get(item, "price", *path) for item in shapes.items(subscription)]
