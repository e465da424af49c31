"""A subscription's next period: renewed, failed, recovered, given up; trials end."""

from typing import TYPE_CHECKING

from ..forms import Json
from ..objects import billing
from . import customers, invoicing, subscriptions
from .periods import after

if TYPE_CHECKING:
    from ..book import Book

UPDATED = "customer.subscription.updated"


def renew(book: "Book", subscription: str, usage: int = 0, shipping: int = 0) -> Json:
    """The next period begins and is paid. `usage`: of each metered item; `shipping`: what sending the goods costs."""
    obj, invoice = _next_period(book, subscription, int(usage), int(shipping))
    invoicing.collect(book, invoicing.finalize(book, invoice), customers.card_of(book, obj["customer"]))
    return obj


def pass_period(book: "Book", subscription: str) -> Json:
    """The next period of a subscription whose collection is paused: its invoice is voided."""
    obj, invoice = _next_period(book, subscription)
    invoicing.void(book, invoicing.finalize(book, invoice)["id"])
    return obj


def fail_payment(book: "Book", subscription: str) -> Json:
    """The next period begins, its payment fails (or fails once more if one is open): the subscription is past due."""
    obj = book.must(subscription)
    unpaid = open_invoice(book, obj)
    if unpaid is None:
        obj, invoice = _next_period(book, subscription)
        unpaid = invoicing.finalize(book, invoice)
    invoicing.fail(book, unpaid, customers.card_of(book, obj["customer"]))
    obj = book.update(obj, UPDATED, status="past_due")
    book.update(book.must(obj["customer"]), "customer.updated", delinquent=True)
    return obj


def recover(book: "Book", subscription: str) -> Json:
    """The open invoice is paid after all; KeyError when none is open."""
    obj = book.must(subscription)
    invoice = open_invoice(book, obj)
    if invoice is None:
        raise KeyError(f"No invoice of {subscription} is open.")
    invoicing.pay(book, invoice, customers.card_of(book, obj["customer"]))
    obj = book.update(obj, UPDATED, status="active")
    book.update(book.must(obj["customer"]), "customer.updated", delinquent=False)
    return obj


def give_up(book: "Book", subscription: str, into: str = "canceled") -> Json:
    """Retries are over: the subscription is canceled, or becomes `unpaid`."""
    obj = book.must(subscription)
    invoice = open_invoice(book, obj)
    if invoice is not None:
        moments = {**invoice["status_transitions"], "marked_uncollectible_at": book.now()}
        book.update(
            invoice,
            "invoice.marked_uncollectible",
            status="uncollectible",
            next_payment_attempt=None,
            status_transitions=moments,
        )
    if into == "canceled":
        return subscriptions.end(book, obj, "payment_failed")
    return book.update(obj, UPDATED, status=into)


def upcoming_invoice(book: "Book", subscription: str) -> Json:
    """invoice.upcoming: a preview of the next invoice, without an id."""
    obj = book.must(subscription)
    preview = invoicing.assemble(book, "upcoming", obj, "upcoming")
    del book.details["upcoming"]
    preview = {key: value for key, value in preview.items() if key != "id"}
    preview |= {
        "created": obj["items"]["data"][0]["current_period_end"],
        "lines": {**preview["lines"], "url": "/v1/invoices/upcoming/lines"},
    }
    book.emit("invoice.upcoming", preview)
    return preview


def trial_will_end(book: "Book", subscription: str) -> Json:
    obj = book.must(subscription)
    book.emit("customer.subscription.trial_will_end", obj)
    return obj


def end_trial(book: "Book", subscription: str, paid: bool = True, shipping: int = 0) -> Json:
    """The trial is over: the first real invoice is paid, or fails."""
    obj = book.must(subscription)
    obj = book.update(obj, None, trial_end=min(obj["trial_end"] or book.now(), book.now()))
    if not paid:
        return fail_payment(book, subscription)
    return renew(book, subscription, shipping=shipping)


def _next_period(book: "Book", subscription: str, usage: int = 0, shipping: int = 0) -> tuple[Json, Json]:
    """Move every item on by its interval; returns the subscription and its draft invoice."""
    obj = book.must(subscription)
    begins = book.now() if obj["status"] == "trialing" else None
    items = [_moved(item, begins) for item in billing.items_of(book, obj)]
    preview = {**obj, "items": billing.items_list(book, obj["id"], items)}
    row_id = book.new_id("in")
    invoice = invoicing.assemble(book, row_id, preview, "subscription_cycle", usage=usage, shipping=shipping)
    status = "active" if obj["status"] == "trialing" else obj["status"]
    obj = book.update(obj, UPDATED, items=preview["items"], latest_invoice=row_id, status=status)
    return obj, book.add(invoice, "invoice.created")


def _moved(item: Json, begins: int | None) -> Json:
    recurring = item["price"]["recurring"]
    start = begins or item["current_period_end"]
    end = after(start, recurring["interval"], recurring["interval_count"])
    return {**item, "current_period_start": start, "current_period_end": end}


def open_invoice(book: "Book", subscription: Json) -> Json | None:
    """The subscription's newest invoice that waits for money."""
    for invoice in book.collection("invoice").where("subscription", subscription["id"]):
        if invoice["status"] == "open":
            return invoice
    return None
