"""Subscriptions begin, change, pause and end."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..metadata import merged
from ..objects import billing, catalogue
from . import customers, invoicing
from .catalogue import price_for
from .periods import after

if TYPE_CHECKING:
    from ..book import Book

DAY = 86400


def subscribe(
    book: "Book",
    customer: str | None = None,
    amount: int = 2900,
    currency: str | None = None,
    interval: str = "month",
    interval_count: int = 1,
    product: str = "Studio plan",
    quantity: int = 1,
    prices: list[str] | None = None,
    quantities: list[int] | None = None,
    trial_days: int = 0,
    coupon: str | None = None,
    metadata: Json | None = None,
    description: str | None = None,
    paid: bool = True,
    tax_percent: float = 0,
    days_until_due: int = 0,
) -> Json:
    """A customer (a new one without `customer`) subscribes, by `prices` or by amount, currency, interval and product.

    Without a trial the first invoice is paid at once; with `paid` false that fails and it stays incomplete; with
    `days_until_due` it is sent to the customer instead, and the subscription runs.
    """
    holder = book.must(customer) if customer else customers.create(book)
    method = customers.card_of(book, holder["id"])
    chosen = [book.must(price) for price in prices or ()] or [
        price_for(
            book, product, int(amount), (currency or book.account.currency).lower(), interval, int(interval_count)
        )
    ]
    counts = quantities or [int(quantity)] * len(chosen)
    row_id = book.new_id("sub")
    now = book.now()
    trial_end = now + int(trial_days) * DAY if int(trial_days) else None
    items = [
        billing.subscription_item(book, row_id, price, count, (now, trial_end or _first_end(now, price)))
        for price, count in zip(chosen, counts, strict=True)
    ]
    subscription = billing.subscription(
        book,
        row_id,
        holder["id"],
        items,
        status="trialing" if trial_end else "incomplete",
        trial_start=now if trial_end else None,
        trial_end=trial_end,
        metadata=metadata,
        description=description,
        default_payment_method=method["id"],
        discounts=_discounts(book, coupon, holder["id"], row_id),
        tax_rates=[catalogue.tax_rate(book, float(tax_percent))] if float(tax_percent) else [],
        days_until_due=int(days_until_due) or None,
    )
    return _first_invoice(book, subscription, method, bool(trial_end), paid)


def _first_end(now: int, price: Json) -> int:
    return after(now, price["recurring"]["interval"], price["recurring"]["interval_count"])


def _discounts(book: "Book", coupon: str | None, customer: str, subscription: str) -> list[str]:
    if not coupon:
        return []
    discount = book.add(catalogue.discount(book, coupon, customer, subscription), "customer.discount.created")
    return [discount["id"]]


def _first_invoice(book: "Book", subscription: Json, method: Json, trial: bool, paid: bool) -> Json:
    """Invoice and payment of a new subscription; its created event shows the outcome, as at Stripe."""
    book.add(subscription)
    invoice = invoicing.assemble(book, book.new_id("in"), subscription, "subscription_create", free=trial)
    runs = paid or subscription["collection_method"] == "send_invoice"
    status = "trialing" if trial else "active" if runs else "incomplete"
    subscription = book.update(subscription, None, status=status, latest_invoice=invoice["id"])
    book.emit("customer.subscription.created", subscription)
    book.update(book.must(subscription["customer"]), "customer.updated", currency=subscription["currency"])
    invoice = invoicing.finalize(book, book.add(invoice, "invoice.created"))
    if trial:
        invoicing.pay(book, invoice, method)
    elif runs:
        invoicing.collect(book, invoice, method)
    else:
        invoicing.fail(book, invoice, method)
    return subscription


def modify(book: "Book", subscription: Json, **given: Any) -> Json:
    """Change a subscription: cancel_at_period_end, cancel_at, metadata, description, quantity."""
    changes = dict(given)
    if "metadata" in given:
        changes["metadata"] = merged(subscription["metadata"], given["metadata"])
    if "cancel_at_period_end" in given:
        wanted = bool(given["cancel_at_period_end"])
        end = min(item["current_period_end"] for item in subscription["items"]["data"])
        reason = "cancellation_requested" if wanted else None
        changes |= {
            "cancel_at_period_end": wanted,
            "cancel_at": end if wanted else None,
            "canceled_at": book.now() if wanted else None,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        }
    elif given.get("cancel_at"):
        changes.setdefault("canceled_at", book.now())
        changes["cancellation_details"] = {**subscription["cancellation_details"], "reason": "cancellation_requested"}
    if "quantity" in given:
        changes |= _quantity(book, subscription, int(given["quantity"]))
    return book.update(subscription, "customer.subscription.updated", **changes)


def modify_by_id(book: "Book", subscription: str, **given: Any) -> Json:
    return modify(book, book.must(subscription), **given)


def _quantity(book: "Book", subscription: Json, quantity: int) -> Json:
    first, *others = billing.items_of(book, subscription)
    items = billing.items_list(book, subscription["id"], [{**first, "quantity": quantity}, *others])
    return {"items": items, "quantity": None if others else quantity}


def cancel(
    book: "Book",
    subscription: str,
    at_period_end: bool = False,
    feedback: str | None = None,
    comment: str | None = None,
) -> Json:
    """Cancel now, or ask for the end of the period."""
    obj = book.must(subscription)
    said = {name: text for name, text in (("feedback", feedback), ("comment", comment)) if text}
    obj = book.update(obj, None, cancellation_details={**obj["cancellation_details"], **said})
    if at_period_end:
        return modify(book, obj, cancel_at_period_end=True)
    return end(book, obj, "cancellation_requested")


def end(book: "Book", subscription: Json, reason: str) -> Json:
    """The subscription stops. Event: customer.subscription.deleted."""
    return book.update(
        subscription,
        "customer.subscription.deleted",
        status="canceled",
        canceled_at=subscription["canceled_at"] or book.now(),
        ended_at=book.now(),
        cancellation_details={**subscription["cancellation_details"], "reason": reason},
    )


def pause_collection(book: "Book", subscription: str, behavior: str = "void", resumes_at: int | None = None) -> Json:
    """Stop collecting; the status stays."""
    pause = {"behavior": behavior, "resumes_at": resumes_at}
    return book.update(book.must(subscription), "customer.subscription.updated", pause_collection=pause)


def resume_collection(book: "Book", subscription: str) -> Json:
    return book.update(book.must(subscription), "customer.subscription.updated", pause_collection=None)


def pause(book: "Book", subscription: str) -> Json:
    """Status paused, no more invoices. Events: customer.subscription.updated and .paused."""
    details = {"paused": {"subscription": {"type": "pause_requested"}}}
    obj = book.update(book.must(subscription), "customer.subscription.updated", status="paused", status_details=details)
    book.emit("customer.subscription.paused", obj)
    return obj


def resume(book: "Book", subscription: str) -> Json:
    obj = book.update(book.must(subscription), "customer.subscription.updated", status="active", status_details=None)
    book.emit("customer.subscription.resumed", obj)
    return obj
