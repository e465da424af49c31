"""An invoice's life: drafted, finalised, paid, failed, voided."""

from typing import TYPE_CHECKING, Any

from ..events import difference
from ..forms import Json
from ..objects import billing, catalogue
from ..objects import payments as payment_objects
from . import payments

if TYPE_CHECKING:
    from ..book import Book

RETRY_SECONDS = 3 * 86400


def draft(book: "Book", subscription: Json, reason: str, free: bool = False) -> Json:
    """The invoice of a subscription's present period. `free`: a trial's invoice over nothing."""
    row_id = book.new_id("in")
    invoice = assemble(book, row_id, subscription, reason, free)
    return book.add(invoice, "invoice.created")


def assemble(book: "Book", row_id: str, subscription: Json, reason: str, free: bool = False) -> Json:
    """The invoice's dictionary, not stored; its lines go into the book's details."""
    discounts = [book.must(discount) for discount in subscription["discounts"]]
    items = billing.items_of(book, subscription)
    lines = [_line(book, row_id, item, [] if free else discounts, free) for item in items]
    book.details[row_id] = lines
    off: dict[str, int] = {}
    for row in lines:
        for part in row["discount_amounts"]:
            off[part["discount"]] = off.get(part["discount"], 0) + part["amount"]
    item = items[0]
    return billing.invoice(
        book,
        row_id,
        book.must(subscription["customer"]),
        lines,
        currency=subscription["currency"],
        billing_reason=reason,
        subscription=subscription,
        discounts=subscription["discounts"],
        off=[{"amount": amount, "discount": discount} for discount, amount in off.items()],
        period=(item["current_period_start"], item["current_period_end"]) if reason == "subscription_create" else None,
    )


def _line(book: "Book", invoice: str, item: Json, discounts: list[Json], free: bool) -> Json:
    price, quantity = item["price"], item.get("quantity", 0)
    amount = 0 if free else (price["unit_amount"] or 0) * quantity
    coupons = [(discount["id"], book.get("coupon", discount["source"]["coupon"])) for discount in discounts]
    off = [{"amount": catalogue.amount_off(coupon, amount), "discount": name} for name, coupon in coupons if coupon]
    product = book.must(price["product"])["name"]
    text = f"Trial period for {product}" if free else f"{quantity} × {product}"
    period = (item["current_period_start"], item["current_period_end"])
    return billing.line(book, invoice, item, amount, period, off, text)


def finalize(book: "Book", invoice: Json) -> Json:
    """Give the invoice its number and open it for payment."""
    customer = book.must(invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    book.update(customer, None, next_invoice_sequence=sequence + 1)
    return book.update(
        invoice,
        "invoice.finalized",
        status="open",
        number=f"{customer['invoice_prefix']}-{sequence:04d}",
        effective_at=book.now(),
        automatically_finalizes_at=None,
        status_transitions={**invoice["status_transitions"], "finalized_at": book.now()},
        **billing.hosted(book.account.id, invoice["id"]),
    )


def pay(book: "Book", invoice: Json, method: Json | None) -> Json:
    """Collect an open invoice with a card (None: nothing is due). Ends in invoice.paid and .payment_succeeded."""
    tie = None
    if invoice["amount_due"] and method:
        intent, tie = _intent(book, invoice)
        payments.succeed(book, intent, method)
    due = invoice["amount_due"]
    changes: Json = {
        "status": "paid",
        "attempted": True,
        "attempt_count": invoice["attempt_count"] + (1 if due else 0),
        "amount_paid": due,
        "amount_remaining": 0,
        "auto_advance": False,
        "next_payment_attempt": None,
        "webhooks_delivered_at": book.now(),
        "status_transitions": {**invoice["status_transitions"], "paid_at": book.now()},
    }
    paid = book.update(invoice, None, **changes)
    if tie:
        tie = book.update(
            tie,
            None,
            status="paid",
            amount_paid=due,
            status_transitions={**tie["status_transitions"], "paid_at": book.now()},
        )
    book.emit("invoice.updated", paid, difference(invoice, paid))
    book.emit("invoice.paid", paid)
    book.emit("invoice.payment_succeeded", paid)
    if tie:
        book.emit("invoice_payment.paid", tie)
    return paid


def fail(book: "Book", invoice: Json, method: Json) -> Json:
    """Try to collect an open invoice; the card declines. Ends in invoice.payment_failed."""
    intent, _ = _intent(book, invoice)
    payments.decline(book, intent, method)
    failed = book.update(
        invoice,
        "invoice.updated",
        attempted=True,
        attempt_count=invoice["attempt_count"] + 1,
        next_payment_attempt=book.now() + RETRY_SECONDS,
    )
    book.emit("invoice.payment_failed", failed)
    return failed


def _intent(book: "Book", invoice: Json) -> tuple[Json, Json]:
    """The payment intent of an invoice and its tie: the known ones, or new ones."""
    for tie in book.collection("invoice_payment").where("invoice", invoice["id"]):
        return book.must(tie["payment"]["payment_intent"]), tie
    description = (
        "Subscription creation" if invoice["billing_reason"] == "subscription_create" else "Subscription update"
    )
    intent = payments.begin(
        book, invoice["amount_due"], invoice["currency"], customer=invoice["customer"], description=description
    )
    return intent, book.add(payment_objects.invoice_payment(book, invoice, intent))


def void(book: "Book", invoice: str) -> Json:
    obj = book.must(invoice)
    moments: dict[str, Any] = {**obj["status_transitions"], "voided_at": book.now()}
    return book.update(obj, "invoice.voided", status="void", status_transitions=moments, next_payment_attempt=None)
