"""A card is charged, or declines."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..objects import payments

if TYPE_CHECKING:
    from ..book import Book


def begin(book: "Book", amount: int, currency: str, **given: Any) -> Json:
    """A new payment intent. `given`: customer, description, payment_method, receipt_email, metadata, shipping."""
    return book.add(payments.payment_intent(book, amount, currency, **given), "payment_intent.created")


def succeed(book: "Book", intent: Json, method: Json, billing: Json | None = None) -> Json:
    """Charge the card; returns the intent. Events: charge.succeeded, payment_intent.succeeded."""
    charge = book.add(payments.charge(book, intent, method, billing=billing), "charge.succeeded")
    return book.update(
        intent,
        "payment_intent.succeeded",
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        last_payment_error=None,
        payment_method=method["id"],
    )


def decline(book: "Book", intent: Json, method: Json) -> Json:
    """The card is declined; returns the intent. Events: charge.failed, payment_intent.payment_failed."""
    charge = book.add(payments.charge(book, intent, method, succeeded=False), "charge.failed")
    return book.update(
        intent,
        "payment_intent.payment_failed",
        status="requires_payment_method",
        latest_charge=charge["id"],
        last_payment_error=payments.card_error(charge, method),
        payment_method=None,
    )
