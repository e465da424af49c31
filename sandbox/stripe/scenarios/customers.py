"""Customers are added, changed, deleted, and get a card."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..metadata import merged
from ..names import person
from ..objects import people

if TYPE_CHECKING:
    from ..book import Book


def create(book: "Book", **given: Any) -> Json:
    """A new customer from Stripe's parameters; without any, a believable person."""
    return book.add(people.customer(book, **(given or invented(book))), "customer.created")


def invented(book: "Book") -> Json:
    """Parameters of the next invented person of this book."""
    number = book.numbers["invented"] = book.numbers.get("invented", 0) + 1
    who = person(number)
    return {
        "email": f"{who.mailbox}{number}@{who.company.split()[0].lower()}.example",
        "name": who.name,
        "phone": who.phone,
        "address": who.address,
        "preferred_locales": [who.locale],
        "metadata": {"company": who.company},
    }


def update(book: "Book", customer: Json, **given: Any) -> Json:
    """Change a customer as POST /v1/customers/{id} does: metadata merges, an empty string clears."""
    if "id" in given:
        raise TypeError("A customer's id cannot be changed.")
    changes: Json = {name: value if value != "" else None for name, value in given.items()}
    if "metadata" in given:
        changes["metadata"] = merged(customer["metadata"], given["metadata"])
    if changes.get("address"):
        changes["address"] = people.address(changes["address"])
    if changes.get("shipping"):
        shipping = changes["shipping"]
        changes["shipping"] = {
            "phone": None,
            "name": None,
            **shipping,
            "address": people.address(shipping.get("address")),
        }
    if isinstance(changes.get("invoice_settings"), dict):
        changes["invoice_settings"] = {**customer["invoice_settings"], **changes["invoice_settings"]}
    return book.update(customer, "customer.updated", **changes)


def update_by_id(book: "Book", customer: str, **given: Any) -> Json:
    return update(book, book.must(customer), **given)


def delete(book: "Book", customer: Json) -> Json:
    """Delete a customer; its subscriptions are cancelled first, as at Stripe."""
    from .subscriptions import end  # a subscription knows its customer, so the import goes the other way

    for subscription in book.collection("subscription").where("customer", customer["id"]):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            end(book, subscription, "cancellation_requested")
    return book.delete(customer, "customer.deleted")


def delete_by_id(book: "Book", customer: str) -> Json:
    return delete(book, book.must(customer))


def add_card(book: "Book", customer: str, **given: Any) -> Json:
    """Attach a card and make it the default. `given`: brand, last4, exp_month, exp_year."""
    holder = book.must(customer)
    method = book.add(people.payment_method(book, holder, **given), "payment_method.attached")
    settings = {**holder["invoice_settings"], "default_payment_method": method["id"]}
    book.update(holder, "customer.updated", invoice_settings=settings)
    return method


def add_source(book: "Book", customer: str, **given: Any) -> Json:
    """Give a customer a card as it was done before payment methods, and make it the default source."""
    holder = book.must(customer)
    card = book.add(people.card(book, holder, **given), "customer.source.created")
    book.update(holder, "customer.updated", default_source=card["id"])
    return card


def card_of(book: "Book", customer: str) -> Json:
    """The customer's default card, attached now if there is none."""
    default = book.must(customer)["invoice_settings"]["default_payment_method"]
    return book.must(default) if default else add_card(book, customer)
