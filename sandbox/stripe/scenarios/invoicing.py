"""An invoice's life: drafted, finalised, paid, failed, voided."""

from typing import TYPE_CHECKING, Any

from ..events import difference
from ..forms import Json
from ..objects import billing, catalogue, invoices
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


def assemble(
    book: "Book", row_id: str, subscription: Json, reason: str, free: bool = False, usage: int = 0, shipping: int = 0
) -> Json:
    """The invoice's dictionary, not stored; its lines go into the book's details. `usage`: of each metered item."""
    discounts = [book.must(discount) for discount in subscription["discounts"]]
    items = billing.items_of(book, subscription)
    billed = [(item, part) for item in items for part in _parts(book, item, free, usage)]
    lines = [_line(book, row_id, item, part, [] if free else discounts, free) for item, part in billed]
    book.details[row_id] = lines
    off: dict[str, int] = {}
    for row in lines:
        for part in row["discount_amounts"]:
            off[part["discount"]] = off.get(part["discount"], 0) + part["amount"]
    item = items[0]
    return invoices.invoice(
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
        shipping=shipping,
    )


def _parts(book: "Book", item: Json, free: bool, usage: int) -> list[catalogue.Part]:
    price, quantity = item["price"], item.get("quantity", usage)
    if free:
        return [catalogue.Part(quantity, 0, "0")]
    return catalogue.parts(price, quantity, book.details.get(price["id"], []))


def _line(book: "Book", invoice: str, item: Json, part: catalogue.Part, discounts: list[Json], free: bool) -> Json:
    price, amount = item["price"], part.amount
    coupons = [(discount["id"], book.get("coupon", discount["source"]["coupon"])) for discount in discounts]
    off = [{"amount": catalogue.amount_off(coupon, amount), "discount": name} for name, coupon in coupons if coupon]
    product = book.must(price["product"])["name"]
    text = f"Trial period for {product}" if free else f"{part.quantity} × {product}"
    period = (item["current_period_start"], item["current_period_end"])
    return invoices.line(book, invoice, item, part, period, off, text)


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
        **invoices.hosted(book.account.id, invoice["id"]),
    )


def collect(book: "Book", invoice: Json, method: Json) -> Json:
    """Have a finalised invoice paid: by the card, or by sending it to the customer, who pays later."""
    if invoice["collection_method"] == "send_invoice":
        book.emit("invoice.sent", invoice)
        return invoice
    return pay(book, invoice, method)


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
