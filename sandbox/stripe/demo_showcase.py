"""What a look at the demo must find, whatever its dice say: taxes, shipping, coupons, an end to come, a debt, a refund
that failed. Told of customers who had bought nothing before.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .forms import Json
from .scenarios import checkout, refunds, renewals, subscriptions
from .scenarios.catalogue import add_coupon

if TYPE_CHECKING:
    from .book import Book

DAY = 86400
AGE = 100 * DAY
SHIPPING = "shipping"
"""In a subscription's metadata: what sending each of its parcels costs, in the smallest unit."""


def show(book: "Book", box: tuple[str, int], tax_percent: float) -> None:
    """`box`: what the shop sends every month, and its price in the smallest unit."""
    with book.at(book.now() - AGE):
        friends = add_coupon(book, id="FRIENDS10", percent_off=10, duration="forever", name="FRIENDS10")["id"]
    tellers: tuple[Callable[[str], object], ...] = (
        lambda customer: _gets_parcels(book, customer, box, tax_percent),
        lambda customer: _gets_parcels(book, customer, box, tax_percent, coupon=friends),
        lambda customer: _leaves_later(book, customer, box),
        lambda customer: _owes(book, customer, box),
        lambda customer: _gets_no_money_back(book, customer, box),
    )
    for customer, tell in zip(list(_newcomers(book)), tellers, strict=False):
        tell(customer["id"])


def shipping_of(subscription: Json) -> int:
    return int(subscription["metadata"].get(SHIPPING) or 0)


def _newcomers(book: "Book") -> Iterator[Json]:
    """Customers of some age who can be written to and have not bought anything, newest first."""
    for customer in book.collection("customer").newest_first(before=book.now() - AGE):
        known = (book.collection(kind).where("customer", customer["id"]) for kind in ("subscription", "charge"))
        if customer.get("email") and customer.get("address") and not any(known):
            yield customer


def _gets_parcels(
    book: "Book", customer: str, box: tuple[str, int], tax_percent: float, coupon: str | None = None
) -> None:
    """A box every month, with tax, sent for a fee."""
    _subscribed(book, customer, box, tax_percent=tax_percent, coupon=coupon, metadata={SHIPPING: "490"})


def _leaves_later(book: "Book", customer: str, box: tuple[str, int]) -> None:
    """Said when it ends: two periods from now, not with the present one."""
    row_id = _subscribed(book, customer, box)
    ends = book.must(row_id)["items"]["data"][0]["current_period_end"] + 61 * DAY
    with book.at(book.now() - DAY):
        subscriptions.modify_by_id(book, row_id, cancel_at=ends)


def _owes(book: "Book", customer: str, box: tuple[str, int]) -> None:
    """The last payment failed until Stripe gave up; the subscription stays, unpaid."""
    row_id = _subscribed(book, customer, box, renewals_left_out=1)
    due = book.must(row_id)["items"]["data"][0]["current_period_end"]
    with book.at(due):
        renewals.fail_payment(book, row_id)
    with book.at(min(due + 2 * DAY, book.now() - 60)):
        renewals.give_up(book, row_id, "unpaid")


def _gets_no_money_back(book: "Book", customer: str, box: tuple[str, int]) -> None:
    """Bought something and sent it back, but the card had been closed meanwhile."""
    name, amount = box
    with book.at(book.now() - 30 * DAY):
        session = checkout.buy(book, customer=customer, product=f"{name}, once", amount=amount)
    with book.at(book.now() - 24 * DAY):
        charge = book.must(session["payment_intent"])["latest_charge"]
        refund = refunds.refund(book, charge, reason="requested_by_customer")
    with book.at(book.now() - 20 * DAY):
        refunds.fail_refund(book, refund["id"])


def _subscribed(book: "Book", customer: str, box: tuple[str, int], renewals_left_out: int = 0, **given: Any) -> str:
    """A subscription of some months, paid to this day but for the last periods left out. Returns its id."""
    name, amount = box
    with book.at(book.now() - AGE + DAY):
        subscription = subscriptions.subscribe(book, customer, product=name, amount=amount, **given)
    row_id, months = str(subscription["id"]), 0
    while (due := book.must(row_id)["items"]["data"][0]["current_period_end"]) < book.now() - 60:
        months += 1
        if months > 3 - renewals_left_out:
            break
        with book.at(due):
            renewals.renew(book, row_id, shipping=shipping_of(subscription))
    return row_id
