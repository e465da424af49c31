"""Products, prices and coupons come into being."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..objects import billing, catalogue

if TYPE_CHECKING:
    from ..book import Book


def add_product(book: "Book", name: str, **given: Any) -> Json:
    return book.add(catalogue.product(book, name, **given), "product.created")


def add_price(
    book: "Book",
    product: str,
    currency: str,
    unit_amount: int | None = None,
    tiers: list[Json] | None = None,
    **given: Any,
) -> Json:
    """A price; with `interval` it recurs. Amounts in the smallest unit. `tiers`: graduated, {up_to, unit_amount}."""
    amount = None if unit_amount is None else int(unit_amount)
    scheme = {"billing_scheme": "tiered"} if tiers else {}
    price = book.add(catalogue.price(book, product, amount, currency.lower(), **given, **scheme), "price.created")
    if tiers:
        book.details[price["id"]] = tiers
    if price["recurring"]:
        book.emit("plan.created", catalogue.plan_of(price))
    return price


def update_price(book: "Book", price: str, **given: Any) -> Json:
    """Change what Stripe lets change of a price: nickname, lookup_key, metadata, active.

    Subscriptions show it as it is from then on, without an event of theirs.
    """
    changed = book.update(book.must(price), "price.updated", **given)
    twin = {"price": changed, "plan": catalogue.plan_of(changed)}
    for row in book.collection("subscription").newest_first():
        items = billing.items_of(book, row)
        if any(item["price"]["id"] == price for item in items):
            items = [{**item, **twin} if item["price"]["id"] == price else item for item in items]
            book.update(row, None, items=billing.items_list(book, row["id"], items))
    return changed


def add_coupon(book: "Book", **given: Any) -> Json:
    return book.add(catalogue.coupon(book, **given), "coupon.created")


def price_for(
    book: "Book", product: str, amount: int, currency: str, interval: str | None, interval_count: int = 1
) -> Json:
    """The price of that product, amount, currency and interval, made on first use."""
    wanted = interval and {"interval": interval, "interval_count": interval_count}
    owner = _product_named(book, product)
    for price in book.collection("price").where("product", owner["id"]):
        recurring = price["recurring"] and {key: price["recurring"][key] for key in ("interval", "interval_count")}
        if (price["unit_amount"], price["currency"], recurring) == (amount, currency, wanted or None):
            return price
    nickname = f"{product} {'one-time' if not interval else interval + 'ly' if interval != 'day' else 'daily'}"
    key = f"{product}-{currency}-{amount}-{interval or 'once'}-{interval_count}".lower().replace(" ", "-")
    return add_price(
        book,
        owner["id"],
        currency,
        amount,
        interval=interval,
        interval_count=interval_count,
        nickname=nickname,
        lookup_key=key,
    )


def _product_named(book: "Book", name: str) -> Json:
    for product in book.collection("product").newest_first():
        if product["name"] == name:
            return product
    return add_product(
        book, name, metadata={"category": "Software" if "plan" in name.lower() else "Goods", "brand": book.account.name}
    )
