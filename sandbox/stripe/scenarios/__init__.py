"""What happens in a merchant's account: each scenario changes objects and sends the events Stripe would, in its order.

`SCENARIOS` maps a name to a function `(book, **arguments) -> object`. Every one takes `at` too: Unix seconds at which
it plays; what is played more than an hour in the past is listed as an event but not delivered.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import seeds
from ..forms import Json
from . import catalogue, checkout, customers, invoicing, oddities, refunds, renewals, schedules, subscriptions

if TYPE_CHECKING:
    from ..book import Book


def _grow(book: "Book", count: int = 1000, over_seconds: int | None = None) -> Json:
    return {"customers": seeds.grow_customers(book, int(count), over_seconds)}


SCENARIOS: dict[str, Callable[..., Json]] = {
    "create_customer": customers.create,
    "update_customer": customers.update_by_id,
    "delete_customer": customers.delete_by_id,
    "add_card": customers.add_card,
    "add_source": customers.add_source,
    "grow": _grow,
    "add_product": catalogue.add_product,
    "add_price": catalogue.add_price,
    "update_price": catalogue.update_price,
    "add_coupon": catalogue.add_coupon,
    "subscribe": subscriptions.subscribe,
    "modify_subscription": subscriptions.modify_by_id,
    "schedule": schedules.schedule,
    "cancel": subscriptions.cancel,
    "pause_collection": subscriptions.pause_collection,
    "resume_collection": subscriptions.resume_collection,
    "pause": subscriptions.pause,
    "resume": subscriptions.resume,
    "renew": renewals.renew,
    "fail_payment": renewals.fail_payment,
    "recover": renewals.recover,
    "give_up": renewals.give_up,
    "upcoming_invoice": renewals.upcoming_invoice,
    "trial_will_end": renewals.trial_will_end,
    "end_trial": renewals.end_trial,
    "void_invoice": invoicing.void,
    "one_off_charge": checkout.one_off_charge,
    "refund": refunds.refund,
    "fail_refund": refunds.fail_refund,
    "dispute": refunds.dispute,
    "close_dispute": refunds.close_dispute,
    "buy": checkout.buy,
    "open_session": checkout.open_session,
    "expire_session": checkout.expire,
    "settle_session": checkout.settle,
    "alter": oddities.alter,
    "emit": oddities.emit,
}


def play(book: "Book", name: str, /, at: int | None = None, **arguments: Any) -> Json:
    """Play a scenario. KeyError: no such scenario or object; TypeError: an argument it does not know."""
    if name not in SCENARIOS:
        raise KeyError(f"There is no scenario {name}. There are: {', '.join(sorted(SCENARIOS))}.")
    with book.world.lock, book.at(at):
        return SCENARIOS[name](book, **arguments)
