"""Two years of believable business: who came when, subscribed to what, paid, failed, left or came back."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .forms import Json
from .names import Person, person
from .scenarios import checkout, customers, invoicing, refunds, renewals, subscriptions
from .scenarios.catalogue import add_coupon
from .scenarios.periods import after

if TYPE_CHECKING:
    from .book import Book

DAY = 86400
Dice = random.Random
CURRENCIES = {"US": "usd", "JP": "jpy", "IN": "usd", "BR": "usd", "KW": "usd", "GB": "gbp"}
UNITS = {"jpy": 1.6, "kwd": 3.1, "usd": 1.1, "gbp": 0.85}
"""Smallest units to one euro cent, roughly: a price list in other money."""


@dataclass(frozen=True)
class Shop:
    """What a shop sells: plans (name, euro cents, interval) and goods (name, euro cents)."""

    plans: tuple[tuple[str, int, str], ...]
    goods: tuple[tuple[str, int], ...]
    currency: str


STUDIO = Shop(
    (
        ("Studio plan", 2900, "month"),
        ("Team plan", 7900, "month"),
        ("Studio plan", 29000, "year"),
        ("Agency plan", 19900, "month"),
    ),
    (("Brand kit", 14900), ("Icon collection", 3900), ("Portfolio review", 9000)),
    "eur",
)
COFFEE = Shop(
    (("Weekly bag plan", 1450, "week"), ("Monthly crate plan", 3800, "month"), ("Office plan", 12500, "month")),
    (("Ethiopia Guji 250 g", 1250), ("Hand grinder", 8900), ("Tasting evening", 4500)),
    "gbp",
)


def tell(book: "Book", shop: Shop, count: int, seed: int) -> None:
    """Fill an empty book with `count` customers and their stories. The same seed tells the same stories."""
    dice = Dice(seed)
    now = book.now()
    first = book.account.created + 5 * DAY
    with book.at(first):
        coupon = add_coupon(book, id="WELCOME20", percent_off=20, duration="once", name="Welcome: 20 % off")["id"]
    moments = sorted(int(now - (now - first) * dice.random() ** 1.4) for _ in range(count))
    for number, moment in enumerate(moments):
        who = person(number + seed * 1000)
        with book.at(min(moment, now - 120)):
            customer = _arrive(book, who, number, dice)
        story = dice.choices(STORIES, weights=[weight for _, weight in WEIGHTS])[0]
        Teller(book, shop, dice, now, coupon, who, number).tell(story, customer, moment)
    with book.at(now - 9 * DAY):
        _one_dispute(book)


def _arrive(book: "Book", who: Person, number: int, dice: Dice) -> Json:
    given: Json = {
        "email": f"{who.mailbox}@{who.company.split()[0].lower()}{number}.example",
        "name": who.name,
        "preferred_locales": [who.locale],
        "metadata": {"company": who.company, "source": dice.choice(("website", "referral", "fair", "podcast"))},
    }
    if dice.random() < 0.8:
        given["address"] = who.address
    if dice.random() < 0.65:
        given["phone"] = who.phone
    if dice.random() < 0.2:
        given["shipping"] = {"name": who.name, "phone": who.phone, "address": who.address}
    if number % 60 == 17:
        given["email"] = given["email"].title()
    if number % 75 == 40:
        del given["email"]
    return customers.create(book, **given)


@dataclass
class Teller:
    """Tells one customer's story in one book, up to `now`."""

    book: "Book"
    shop: Shop
    dice: Dice
    now: int
    coupon: str
    who: Person
    number: int

    def tell(self, story: str, customer: Json, moment: int) -> None:
        tell: Callable[[Json, int], None] = getattr(self, story)
        tell(customer, moment + int(self.dice.uniform(0.1, 6) * 3600))

    def looks(self, customer: Json, moment: int) -> None:
        """Signs up and buys nothing."""

    def buys(self, customer: Json, moment: int) -> None:
        """One or more purchases by Checkout, now and then refunded."""
        for _ in range(self.dice.randint(1, 3)):
            if not self._past(moment):
                return
            name, cents = self.dice.choice(self.shop.goods)
            buyer: dict[str, Any] = (
                {"customer": customer["id"]} if self.dice.random() < 0.7 else {"email": customer["email"]}
            )
            with self.book.at(moment):
                session = checkout.buy(
                    self.book,
                    **buyer,
                    product=name,
                    **self._money(cents),
                    shipping=self.dice.random() < 0.5,
                    promotions=self.dice.choice((None, "opt_in", "opt_out")),
                )
            self._maybe_refund(session["payment_intent"], moment + 4 * DAY)
            moment += int(self.dice.uniform(20, 160) * DAY)

    def pays_once(self, customer: Json, moment: int) -> None:
        """A charge of the merchant's own program."""
        if self._past(moment):
            with self.book.at(moment):
                money = self._money(self.dice.choice((4500, 12000, 1900)))
                checkout.one_off_charge(self.book, customer["id"], succeed=self.dice.random() < 0.85, **money)

    def subscribes(self, customer: Json, moment: int) -> None:
        """Subscribes and pays to this day; some fail and recover, ask to cancel, or pause."""
        subscription = self._subscribe(customer, moment)
        if subscription is None:
            return
        self._run(subscription, until=self.now, failing=0.06)
        self._ask_something(subscription["id"])

    def leaves(self, customer: Json, moment: int) -> None:
        """Subscribes and cancels after a while."""
        subscription = self._subscribe(customer, moment)
        end = moment + int(self.dice.uniform(25, 300) * DAY)
        if subscription is None or not self._past(end):
            return
        self._run(subscription, until=end, failing=0.03)
        if self._status(subscription["id"]) == "canceled":
            return
        with self.book.at(end):
            subscriptions.cancel(
                self.book, subscription["id"], feedback=self.dice.choice(("too_expensive", "unused", None))
            )

    def tries(self, customer: Json, moment: int) -> None:
        """A trial of 14 days: still running, turned into a customer, or cancelled."""
        subscription = self._subscribe(customer, moment, trial_days=14)
        if subscription is None:
            return
        row_id, end = subscription["id"], subscription["trial_end"]
        if self._past(end - 3 * DAY):
            with self.book.at(end - 3 * DAY):
                renewals.trial_will_end(self.book, row_id)
        if not self._past(end):
            return
        with self.book.at(end):
            if self.dice.random() < 0.3:
                subscriptions.cancel(self.book, row_id)
                return
            renewals.end_trial(self.book, row_id)
        self._run(self.book.must(row_id), until=self.now, failing=0.04)

    def fails(self, customer: Json, moment: int) -> None:
        """The last payment failed and nobody has paid since; or Stripe gave up."""
        start = max(moment, self.now - int(self.dice.uniform(31, 34) * DAY))
        subscription = self._subscribe(customer, start, plan=("Studio plan", 2900, "month"))
        if subscription is None:
            return
        due = subscription["items"]["data"][0]["current_period_end"]
        if self._past(due):
            with self.book.at(due):
                renewals.fail_payment(self.book, subscription["id"])
            if self.number % 5 == 0 and self._past(due + DAY // 2):
                with self.book.at(due + DAY // 2):
                    renewals.give_up(self.book, subscription["id"], self.dice.choice(("canceled", "unpaid")))

    def _past(self, moment: int) -> bool:
        return moment < self.now - 60

    def _status(self, row_id: str) -> str:
        return str(self.book.must(row_id)["status"])

    def _money(self, cents: int) -> Json:
        currency = (
            "kwd" if self.who.country == "KW" and self.number % 4 == 1 else CURRENCIES.get(self.who.country, "eur")
        )
        amount = round(cents * UNITS.get(currency, 1))
        return {"amount": amount - amount % 10 if currency == "kwd" else amount, "currency": currency}

    def _subscribe(
        self, customer: Json, moment: int, plan: tuple[str, int, str] | None = None, trial_days: int = 0
    ) -> Json | None:
        if not self._past(moment):
            return None
        name, cents, interval = plan or self.dice.choice(self.shop.plans)
        with self.book.at(moment):
            return subscriptions.subscribe(
                self.book,
                customer["id"],
                product=name,
                interval=interval,
                quantity=self.dice.choice((1, 1, 1, 2, 5)),
                coupon=self.coupon if self.dice.random() < 0.2 else None,
                trial_days=trial_days,
                metadata={"plan": name.lower().removesuffix(" plan").replace(" ", "-")},
                **self._money(cents),
            )

    def _run(self, subscription: Json, until: int, failing: float) -> None:
        """Renew period by period; a failed payment is recovered two days later."""
        row_id = subscription["id"]
        item = subscription["items"]["data"][0]
        due = item["current_period_end"]
        recurring = item["price"]["recurring"]
        while due < until - 60:
            failed = self.dice.random() < failing
            with self.book.at(due):
                (renewals.fail_payment if failed else renewals.renew)(self.book, row_id)
            if failed and due + 2 * DAY < until - 60:
                with self.book.at(due + 2 * DAY):
                    renewals.recover(self.book, row_id)
            due = after(due, recurring["interval"], recurring["interval_count"])

    def _ask_something(self, row_id: str) -> None:
        """Some of the living: cancel at period end, paused collection, paused, another quantity."""
        chance = self.dice.random()
        with self.book.at(self.now - int(self.dice.uniform(0.2, 6) * DAY)):
            if self._status(row_id) != "active" or self.book.must(row_id)["created"] > self.book.now():
                return
            if chance < 0.1:
                subscriptions.cancel(self.book, row_id, at_period_end=True, feedback="switched_service")
            elif chance < 0.14:
                subscriptions.pause_collection(self.book, row_id)
            elif chance < 0.17:
                subscriptions.pause(self.book, row_id)
            elif chance < 0.25:
                subscriptions.modify(self.book, self.book.must(row_id), quantity=3)

    def _maybe_refund(self, intent: str, moment: int) -> None:
        if self.dice.random() < 0.15 and self._past(moment):
            charge = self.book.must(self.book.must(intent)["latest_charge"])
            with self.book.at(moment):
                part = None if self.dice.random() < 0.5 else charge["amount"] // 20 * 10
                refunds.refund(self.book, charge["id"], part, reason="requested_by_customer")


WEIGHTS = (
    ("looks", 30),
    ("buys", 18),
    ("pays_once", 8),
    ("subscribes", 22),
    ("leaves", 8),
    ("tries", 11),
    ("fails", 3),
)
STORIES = [name for name, _ in WEIGHTS]


def _one_dispute(book: "Book") -> None:
    """The newest older charge of a purchase is disputed; one open invoice of the past is voided if there is one."""
    for charge in book.collection("charge").newest_first(before=book.now()):
        if charge["status"] == "succeeded" and not charge["amount_refunded"]:
            refunds.dispute(book, charge["id"])
            break
    for invoice in book.collection("invoice").newest_first(before=book.now() - 20 * DAY):
        if invoice["status"] == "open":
            invoicing.void(book, invoice["id"])
            break
