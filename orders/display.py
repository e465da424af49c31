"""Orders in words for people: amounts, badges, where they are at the source."""

from __future__ import annotations

from common.formats import money_text
from orders.models import Order, OrderReference, Status

STRIPE = "stripe"
BADGES = {
    Status.PENDING: "warn",
    Status.PAID: "ok",
    Status.FAILED: "bad",
    Status.PARTIALLY_REFUNDED: "info",
    Status.REFUNDED: "neutral",
    Status.DISPUTED: "bad",
    Status.CANCELLED: "neutral",
}
KINDS = {
    "checkout_session": "Checkout session",
    "payment_intent": "Payment intent",
    "charge": "Charge",
    "invoice": "Invoice",
    "invoice_payment": "Invoice payment",
    "refund": "Refund",
    "dispute": "Dispute",
}
_STRIPE_PAGES = {"invoice": "invoices", "payment_intent": "payments", "charge": "payments"}


def status_badge(order: Order) -> tuple[str, str]:
    """(kind, word) of the badge."""
    status = Status(order.status)
    return BADGES[status], str(status.label)


def money(order: Order, minor: int) -> str:
    return money_text(minor, order.currency)


def source_name(source: str) -> str:
    return source.capitalize()


def kind_name(reference: OrderReference) -> str:
    return KINDS.get(reference.kind) or reference.kind.replace("_", " ").capitalize()


def source_url(order: Order, references: list[OrderReference]) -> str:
    """Its page at the source, for people who may sign in there; "" where there is none."""
    if order.source != STRIPE or not order.account:
        return ""
    by_kind = {reference.kind: reference.external_id for reference in references}
    kind = next((kind for kind in _STRIPE_PAGES if kind in by_kind), "")
    mode = "test/" if order.is_test else ""
    page = f"https://dashboard.stripe.com/{order.account}/{mode}{_STRIPE_PAGES.get(kind, '')}/{by_kind.get(kind, '')}"
    return page if kind else ""
