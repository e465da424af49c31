"""Money goes back: refunds and disputes."""

from typing import TYPE_CHECKING

from ..forms import Json
from ..objects import payments

if TYPE_CHECKING:
    from ..book import Book


def refund(book: "Book", charge: str, amount: int | None = None, reason: str | None = None) -> Json:
    """Refund a charge in full or in part. Events: charge.refunded, refund.created.

    ValueError when more is asked than is left.
    """
    obj = book.must(charge)
    left = obj["amount_captured"] - obj["amount_refunded"]
    amount = left if amount is None else int(amount)
    if not 0 < amount <= left:
        raise ValueError(f"{amount} cannot be refunded; {left} is left of {charge}.")
    row = book.add(payments.refund(book, obj, amount, reason))
    returned = obj["amount_refunded"] + amount
    changes = {"amount_refunded": returned, "refunded": returned == obj["amount"]}
    after = book.update(obj, None, **changes)
    previous = {name: obj[name] for name in changes if obj[name] != after[name]}
    book.emit("charge.refunded", after, previous)
    book.emit("refund.created", row)
    return row


def fail_refund(book: "Book", refund: str, reason: str = "expired_or_canceled_card") -> Json:
    """A refund that seemed to succeed did not reach the customer; the money is back with the merchant.

    Events: refund.updated, refund.failed. No event tells of the charge, which counts it no more.
    """
    row = book.must(refund)
    charge = book.must(row["charge"])
    returned = charge["amount_refunded"] - row["amount"]
    book.update(charge, None, amount_refunded=returned, refunded=False)
    failed = book.update(row, None, status="failed", failure_reason=reason)
    book.emit("refund.updated", failed, {"status": row["status"]})
    book.emit("refund.failed", failed)
    return failed


def dispute(book: "Book", charge: str, reason: str = "fraudulent", status: str = "needs_response") -> Json:
    """The cardholder disputes a charge; it can be born already `lost`."""
    obj = book.must(charge)
    email = obj["billing_details"]["email"]
    if not email and obj["customer"]:
        email = book.must(obj["customer"]).get("email")
    row = {**payments.dispute(book, obj, email, reason), "status": status}
    book.update(obj, None, disputed=True)
    book.add(row, "charge.dispute.created")
    book.emit("charge.dispute.funds_withdrawn", row)
    book.emit("charge.updated", book.must(charge), {"disputed": False})
    return row


def close_dispute(book: "Book", dispute: str, status: str = "won") -> Json:
    """The dispute is decided: `won`, `lost` or `warning_closed`."""
    row = book.update(book.must(dispute), None, status=status)
    if status == "won":
        book.emit("charge.dispute.funds_reinstated", row)
    book.emit("charge.dispute.closed", row)
    return row
