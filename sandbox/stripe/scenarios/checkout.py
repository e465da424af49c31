"""Purchases: a hosted Checkout session, and a charge by the merchant's own program."""

from typing import TYPE_CHECKING

from ..forms import Json
from ..objects import checkout, people
from . import customers, payments, subscriptions
from .catalogue import price_for

if TYPE_CHECKING:
    from ..book import Book


def open_session(
    book: "Book",
    mode: str = "payment",
    prices: list[str] | None = None,
    customer: str | None = None,
    customer_email: str | None = None,
    customer_creation: str | None = None,
    metadata: Json | None = None,
    client_reference_id: str | None = None,
    amount: int = 4900,
    currency: str | None = None,
    product: str = "Field guide",
    quantity: int = 1,
) -> Json:
    """A session waiting for its buyer; no event. Setup mode has no items."""
    interval = "month" if mode == "subscription" else None
    chosen = [book.must(price) for price in prices or ()]
    if not chosen and mode != "setup":
        chosen = [price_for(book, product, int(amount), (currency or book.account.currency).lower(), interval)]
    items = [checkout.line_item(book, price, book.must(price["product"])["name"], int(quantity)) for price in chosen]
    session = checkout.session(
        book,
        mode,
        items,
        customer=customer,
        customer_email=customer_email,
        customer_creation=customer_creation,
        metadata=metadata,
        client_reference_id=client_reference_id,
    )
    book.details[session["id"]] = items
    return book.add(session)


def buy(
    book: "Book",
    session: str | None = None,
    email: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    address: Json | None = None,
    shipping: bool = False,
    promotions: str | None = None,
    delayed: bool = False,
    **opening: object,
) -> Json:
    """A buyer completes a session (a new one by `opening`, see open_session), as guest or customer.

    `delayed`: paid by a slow method: completed but unpaid until `settle`. `promotions`: opt_in or opt_out.
    """
    obj = book.must(session) if session else open_session(book, **opening)  # type: ignore[arg-type]
    known = book.must(obj["customer"]) if obj["customer"] else None
    person = known or {
        **customers.invented(book),
        **({} if not obj["customer_email"] else {"email": obj["customer_email"]}),
    }
    typed = {"email": email, "name": name, "phone": phone, "address": people.address(address)}
    person = {**person, **{key: value for key, value in typed.items() if value}}
    changes: Json = {"customer_details": checkout.customer_details(person), "status": "complete"}
    if shipping:
        where = {"address": person["address"], "name": person["name"]}
        changes["collected_information"] = {**obj["collected_information"], "shipping_details": where}
    if promotions:
        changes["consent"] = {"promotions": promotions, "terms_of_service": None}
    if known is None and (obj["mode"] != "payment" or obj["customer_creation"] == "always"):
        given = {key: person.get(key) for key in ("email", "name", "phone", "address")}
        known = customers.create(book, **given)
        changes["customer"] = known["id"]
    changes |= _paid(book, obj, known, person, delayed)
    return book.update(obj, "checkout.session.completed", **changes)


def _paid(book: "Book", session: Json, customer: Json | None, person: Json, delayed: bool) -> Json:
    """Take the money as the session's mode asks; returns what that changes on the session."""
    if session["mode"] == "setup":
        return {"payment_status": "no_payment_required"}
    items = book.details[session["id"]]
    if session["mode"] == "subscription":
        prices, counts = [item["price"]["id"] for item in items], [item["quantity"] for item in items]
        made = subscriptions.subscribe(
            book, customer=customer["id"] if customer else None, prices=prices, quantities=counts
        )
        return {"subscription": made["id"], "invoice": made["latest_invoice"], "payment_status": "paid"}
    intent = payments.begin(book, session["amount_total"], session["currency"], customer=customer and customer["id"])
    if delayed:
        book.update(intent, "payment_intent.processing", status="processing")
        return {"payment_intent": intent["id"], "payment_status": "unpaid"}
    method = book.add(people.payment_method(book, None))
    payments.succeed(book, intent, method, people.billing_details(person))
    return {"payment_intent": intent["id"], "payment_status": "paid"}


def settle(book: "Book", session: str, paid: bool = True) -> Json:
    """The slow method's money arrives, or not: checkout.session.async_payment_succeeded or _failed."""
    obj = book.must(session)
    intent = book.must(obj["payment_intent"])
    method = book.add(people.payment_method(book, None))
    if paid:
        payments.succeed(book, intent, method, people.billing_details(obj["customer_details"]))
        return book.update(obj, "checkout.session.async_payment_succeeded", payment_status="paid")
    payments.decline(book, intent, method)
    book.emit("checkout.session.async_payment_failed", obj)
    return obj


def expire(book: "Book", session: str) -> Json:
    return book.update(book.must(session), "checkout.session.expired", status="expired", url=None)


def one_off_charge(
    book: "Book",
    customer: str | None = None,
    amount: int = 1500,
    currency: str | None = None,
    description: str = "Workshop seat",
    receipt_email: str | None = None,
    succeed: bool = True,
    metadata: Json | None = None,
) -> Json:
    """A charge without invoice or session; returns it. A declined one if not `succeed`."""
    intent = payments.begin(
        book,
        int(amount),
        (currency or book.account.currency).lower(),
        customer=customer,
        description=description,
        receipt_email=receipt_email,
        metadata=metadata,
    )
    method = customers.card_of(book, customer) if customer else book.add(people.payment_method(book, None))
    intent = (payments.succeed if succeed else payments.decline)(book, intent, method)
    return book.must(intent["latest_charge"])
