"""What may happen between a shop and up to three customers: moves, so that a failure shrinks to a short story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from connections.sources.stripe.client import API_VERSION
from sandbox.stripe import SandboxAccount

VERSIONS = (API_VERSION, "2025-01-27.acacia", "2022-11-15", "2020-08-27")
ADDRESSES = ("ada@mill.example", "bo@mill.example")
Json = dict[str, Any]


@dataclass(frozen=True)
class Move:
    """`whom`: number of the customer; `after`: seconds since the move before, so that some fall into one second."""

    what: str
    whom: int = 0
    after: int = 0


@dataclass(frozen=True)
class Story:
    """`customers`: address, which two may share, and first move. `merged`: moves before two contacts are merged."""

    version: str
    customers: tuple[tuple[str, str], ...]
    moves: tuple[Move, ...]
    merged: int | None = None


@dataclass
class Teller:
    """Plays moves in an account. One that makes no sense by then is left out, so that any list of moves is a story."""

    account: SandboxAccount
    moment: int
    customers: list[str] = field(default_factory=list)

    def begin(self, customers: tuple[tuple[str, str], ...]) -> None:
        for number, (email, first) in enumerate(customers):
            given = {"email": email, "name": f"Ada {chr(65 + number)}", "phone": f"+{number}"}
            self.customers.append(self._play("create_customer", **given)["id"])
            self.tell(Move(first, number, 1))

    def tell(self, move: Move) -> None:
        self.moment += move.after
        customer = self.customers[move.whom % len(self.customers)]
        if any(row["id"] == customer for row in self.account.objects("customer")):
            MOVES[move.what](self, customer)

    def _play(self, scenario: str, **given: Any) -> Json:
        return self.account.play(scenario, at=self.moment, **given)

    def _own(self, kind: str, customer: str, *statuses: str) -> list[Json]:
        found = [row for row in self.account.objects(kind) if row["customer"] == customer]
        return [row for row in found if row["status"] in statuses]

    def _subscribe(self, customer: str, **given: Any) -> None:
        self._play("subscribe", customer=customer, amount=2900, currency="eur", product="Mill Pro", **given)

    def _of_subscription(self, customer: str, scenario: str, *statuses: str, **given: Any) -> None:
        for subscription in self._own("subscription", customer, *statuses)[:1]:
            self._play(scenario, subscription=subscription["id"], **given)

    def _recover(self, customer: str) -> None:
        self._of_subscription(customer, "recover", "past_due")

    def _charge(self, customer: str, succeed: bool) -> None:
        self._play("one_off_charge", customer=customer, amount=5000, currency="eur", succeed=succeed)

    def _refund(self, customer: str, amount: int | None) -> None:
        for charge in self._own("charge", customer, "succeeded")[:1]:
            left = charge["amount"] - charge["amount_refunded"]
            if left > (amount or 0):
                self._play("refund", charge=charge["id"], amount=amount)

    def _refund_fails(self, customer: str) -> None:
        for refund in self._own("refund", customer, "succeeded")[:1]:
            self._play("fail_refund", refund=refund["id"])

    def _discounted(self, customer: str) -> None:
        known = self.account.objects("coupon") or [self._play("add_coupon", percent_off=10, duration="forever")]
        self._subscribe(customer, coupon=known[0]["id"])

    def _rename(self, customer: str) -> None:
        for subscription in self._own("subscription", customer, *RUNNING)[:1]:
            price = subscription["items"]["data"][0]["price"]["id"]
            self._play("update_price", price=price, nickname=f"Mill Pro, {self.moment}")

    def _dispute(self, customer: str) -> None:
        for charge in [row for row in self._own("charge", customer, "succeeded") if not row["disputed"]][:1]:
            self._play("dispute", charge=charge["id"])

    def _settle(self, customer: str, paid: bool) -> None:
        waiting = [row for row in self._own("checkout.session", customer, "complete") if self._is_open(row)]
        for session in waiting[:1]:
            self._play("settle_session", session=session["id"], paid=paid)

    def _is_open(self, session: Json) -> bool:
        intents = {row["id"]: row["status"] for row in self.account.objects("payment_intent")}
        return session["payment_status"] == "unpaid" and intents[session["payment_intent"]] == "processing"

    def _change(self, customer: str) -> None:
        number = len(self.account.objects("event"))
        self._play("update_customer", customer=customer, phone=f"+44 {number}", description=f"No. {number}")


RUNNING = ("active", "past_due", "trialing")
MOVES: dict[str, Callable[[Teller, str], None]] = {
    "subscribes": lambda t, who: t._subscribe(who),
    "subscribes for less": lambda t, who: t._discounted(who),
    "tries": lambda t, who: t._subscribe(who, trial_days=7),
    "cannot pay": lambda t, who: t._subscribe(who, paid=False),
    "renews": lambda t, who: t._of_subscription(who, "renew", "active"),
    "fails": lambda t, who: t._of_subscription(who, "fail_payment", "active", "past_due"),
    "recovers": lambda t, who: t._recover(who),
    "is given up": lambda t, who: t._of_subscription(who, "give_up", "past_due", into="unpaid"),
    "trial ends": lambda t, who: t._of_subscription(who, "end_trial", "trialing"),
    "takes three": lambda t, who: t._of_subscription(who, "modify_subscription", *RUNNING, quantity=3),
    "pauses": lambda t, who: t._of_subscription(who, "pause_collection", "active"),
    "resumes": lambda t, who: t._of_subscription(who, "resume_collection", "active"),
    "will cancel": lambda t, who: t._of_subscription(who, "cancel", *RUNNING, at_period_end=True),
    "cancels": lambda t, who: t._of_subscription(who, "cancel", *RUNNING),
    "pays": lambda t, who: t._charge(who, succeed=True),
    "is declined": lambda t, who: t._charge(who, succeed=False),
    "gets part back": lambda t, who: t._refund(who, 1000),
    "gets all back": lambda t, who: t._refund(who, None),
    "refund fails": lambda t, who: t._refund_fails(who),
    "disputes": lambda t, who: t._dispute(who),
    "buys": lambda t, who: t._play("buy", customer=who, amount=700, currency="jpy") and None,
    "buys slowly": lambda t, who: t._play("buy", customer=who, amount=900, currency="kwd", delayed=True) and None,
    "money comes": lambda t, who: t._settle(who, paid=True),
    "no money comes": lambda t, who: t._settle(who, paid=False),
    "guest buys": lambda t, who: t._play("buy", email="guest@mill.example", name="Gus van Til", amount=4200) and None,
    "price is renamed": lambda t, who: t._rename(who),
    "changes": lambda t, who: t._change(who),
    "new card": lambda t, who: t._play("add_card", customer=who) and None,
    "is deleted": lambda t, who: t._play("delete_customer", customer=who) and None,
}

BEGINNINGS = ("subscribes", "subscribes for less", "tries", "cannot pay", "pays", "buys slowly", "changes")

moves = st.builds(
    Move,
    what=st.sampled_from(list(MOVES)),
    whom=st.integers(0, 2),
    after=st.sampled_from([3600, 1, 0]),
)
stories = st.builds(
    Story,
    version=st.sampled_from(VERSIONS),
    customers=st.lists(st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(BEGINNINGS)), min_size=1, max_size=3).map(
        tuple
    ),
    moves=st.lists(moves, min_size=2, max_size=9).map(tuple),
    merged=st.none() | st.integers(0, 5),
)
