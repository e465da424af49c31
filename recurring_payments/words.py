"""What happened to a recurring payment, as a sentence for the timeline of its contact.

The sentence is stored, for whoever reads it later: amounts name their currency, and days are those of the workspace.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from common.formats import day_text, duration_text
from common.money import as_text
from recurring_payments.display import PAST_DUE, expiration_text
from recurring_payments.fields import BY_KEY
from recurring_payments.models import Interval, PaymentStatus, RecurringPayment, Status

# Field -> (old, new), as they are stored in an activity: times in ISO 8601, amounts in the smallest unit.
Changes = dict[str, tuple[Any, Any]]
_MOST = 2
_LONGEST_NAME = 150
_OVER = (Status.CANCELLED, Status.EXPIRED)
_BECAME = {
    Status.ACTIVE: "active",
    Status.PENDING: "pending",
    Status.PAYMENT_FAILED: "payment failed",
    Status.PAUSED: "paused",
    Status.CANCELLED: "cancelled",
    Status.EXPIRED: "expired",
}
_PAID = {
    PaymentStatus.COMPLETED: "payment received",
    PaymentStatus.DECLINED: "payment declined",
    PaymentStatus.PENDING: "payment pending",
    PaymentStatus.PARTIALLY_REFUNDED: "last payment partially refunded",
    PaymentStatus.REFUNDED: "last payment refunded",
}
_RETURNED = (PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)


def started(row: RecurringPayment) -> str:
    """«Team plan: started», «Team plan: trial started»."""
    return f"{_name_of(row)}: {'trial started' if row.is_trial else 'started'}"


def updated(row: RecurringPayment, changes: Changes) -> str:
    """«Team plan: price went from 29.00 EUR to 39.00 EUR». `row` is what it has become by now.

    The two things that say most; what only follows from them is left to the table of changes.
    """
    phrases = [phrase for part in _PARTS if (phrase := part(changes, row))]
    if not phrases:
        labels = [BY_KEY[name].label.lower() for name in changes if name in BY_KEY]
        phrases = [f"{label} changed" for label in labels]
    return f"{_name_of(row)}: {', '.join(phrases[:_MOST])}"


def _status(changes: Changes, row: RecurringPayment) -> str:
    store_old, store_new = changes.get("store_status", ("", ""))
    if "normalized_status" not in changes:
        if "is_trial" in changes:
            return "trial started" if changes["is_trial"][1] else "trial ended"
        return f"went from {_plain(store_old)} to {_plain(store_new)}" if store_old and store_new else ""
    old, new = changes["normalized_status"]
    if new == Status.ACTIVE and old == Status.PAUSED:
        return "resumed"
    if new == Status.ACTIVE and old != Status.PENDING:
        return "active again"
    return "past due" if new == Status.PAYMENT_FAILED and store_new == PAST_DUE else _BECAME[Status(new)]


def _ending(changes: Changes, row: RecurringPayment) -> str:
    if _is_over(changes) or not changes.keys() & {"cancel_at_period_end", "cancel_at"}:
        return ""
    will_end = changes["cancel_at_period_end"][1] if "cancel_at_period_end" in changes else changes["cancel_at"][1]
    if not will_end:
        return "will not cancel any more"
    known = changes["cancel_at"][1] if "cancel_at" in changes else row.cancel_at or row.current_period_end
    return f"will cancel on {_day(known)}" if known else "will cancel at the end of the period"


def _price(changes: Changes, row: RecurringPayment) -> str:
    currency_old, currency_new = changes.get("currency", (row.currency, row.currency))
    old, new = changes.get("payment_amount", (None, None))
    if new is not None:
        now = _money(new, currency_new)
        return f"price is {now}" if old is None else f"price went from {_money(old, currency_old)} to {now}"
    old, new = changes.get("mrr_amount", (None, None))
    if old and new and "normalized_status" not in changes:
        return f"brings {_money(new, currency_new)} a month instead of {_money(old, currency_old)}"
    return ""


def _interval(changes: Changes, row: RecurringPayment) -> str:
    units = changes.get("billing_interval", (row.billing_interval, row.billing_interval))
    counts = changes.get("billing_interval_count", (row.billing_interval_count, row.billing_interval_count))
    if units[0] == units[1] and counts[0] == counts[1]:
        return ""
    old, new = (_every(unit, count) for unit, count in zip(units, counts, strict=True))
    return f"billed every {new} instead of every {old}" if old and new else ""


def _renamed(changes: Changes, row: RecurringPayment) -> str:
    old, new = changes.get("name", ("", ""))
    return f"changed from {_shortened(old)} to {_shortened(new)}" if old and new else ""


def _payment(changes: Changes, row: RecurringPayment) -> str:
    if not changes.keys() & {"last_payment_status", "last_payment_date"}:
        return ""
    old, new = changes.get("last_payment_status", (row.last_payment_status, row.last_payment_status))
    if new == PaymentStatus.COMPLETED and old in _RETURNED and "last_payment_date" not in changes:
        return "refund failed"
    return _PAID[PaymentStatus(new)] if new else ""


def _card(changes: Changes, row: RecurringPayment) -> str:
    _, new = changes.get("payment_method_expiration", (None, None))
    return f"card expires {expiration_text(date.fromisoformat(new))}" if new else ""


def _next(changes: Changes, row: RecurringPayment) -> str:
    if "next_payment_date" not in changes or _is_over(changes):
        return ""
    _, new = changes["next_payment_date"]
    return f"next payment on {_day(new)}" if new else "no next payment"


# The most telling first.
_PARTS: tuple[Callable[[Changes, RecurringPayment], str], ...] = (
    _status,
    _ending,
    _renamed,
    _price,
    _interval,
    _payment,
    _card,
    _next,
)


def _is_over(changes: Changes) -> bool:
    _, status = changes.get("normalized_status", ("", ""))
    _, store_status = changes.get("store_status", ("", ""))
    return status in _OVER or store_status == "canceled"


def _every(unit: str, count: int | None) -> str:
    """«month», «3 months»; "" where it is unknown."""
    if not unit:
        return ""
    label = Interval(unit).label
    return label if count in (None, 1) else duration_text(count or 1, label)


def _money(minor: int, currency: str) -> str:
    return f"{as_text(minor, currency)} {currency}".strip()


def _day(told: str | datetime) -> str:
    return day_text(datetime.fromisoformat(told) if isinstance(told, str) else told)


def _plain(store_status: str) -> str:
    return store_status.replace("_", " ")


def _name_of(row: RecurringPayment) -> str:
    return _shortened(row.name) or "Recurring payment"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
