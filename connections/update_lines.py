"""What the page of failed updates shows: recurring payments and orders that do not say yet what their account says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, Value, When
from django.utils import timezone

from common.due import BACKOFF, State
from connections import failed_derivations, rederiving
from connections.models import FailedDerivation, Rederivation
from connections.models.rederivation import EVERY_SUBSCRIPTION
from recurring_payments.models import RecurringPayment

TRIES = len(BACKOFF) + 1
Failed = FailedDerivation | Rederivation


@dataclass(frozen=True)
class UpdateLine:
    """A recurring payment or order, or all that use something that changed. `payment`: the one it is about."""

    row: Failed
    payment: RecurringPayment | None = None

    @property
    def name(self) -> str:
        """How a form names it: see `chosen`."""
        return f"{'one' if isinstance(self.row, FailedDerivation) else 'all'}-{self.row.pk}"

    @property
    def what(self) -> str:
        if isinstance(self.row, FailedDerivation):
            kind = self.row.object_key.partition(":")[0]
            what = "Recurring payment" if kind == "subscription" else f"Order with {kind.replace('_', ' ')}"
            return f"{what} {_id(self.row.object_key)}"
        if self.row.shared == EVERY_SUBSCRIPTION:
            return "Every recurring payment"
        kind = self.row.shared.partition(":")[0].replace("_", " ")
        return f"Every recurring payment with {kind} {_id(self.row.shared)}"

    @property
    def is_set_aside(self) -> bool:
        return self.row.state == State.DEAD

    @property
    def why(self) -> str:
        if self.is_set_aside:
            return self.row.last_error
        if self.row.state == State.RUNNING:
            return "Being worked on now"
        return f"Attempt {self.row.attempts + 1} of {TRIES}. {self.row.last_error}"

    @property
    def has_next(self) -> bool:
        """Is it tried again by itself, later than now?"""
        return self.row.state == State.DUE and self.row.next_attempt_at > timezone.now()


def lines(limit: int) -> list[UpdateLine]:
    """Those set aside first, then those that are tried again; of either kind at most `limit`. Three queries."""
    ones = list(_ordered(failed_derivations.workable())[:limit])
    walks = _ordered(rederiving.walkable().filter(attempts__gt=0) | rederiving.walkable().filter(state=State.DEAD))
    payments = _payments(ones)
    found = [UpdateLine(row, payments.get((row.connection_id, _id(row.object_key)))) for row in ones]
    found += [UpdateLine(row) for row in walks[:limit]]
    return sorted(found, key=lambda line: not line.is_set_aside)


def chosen(name: str) -> Any:
    """The rows a form names: "one-5" a recurring payment or order, "all-5" a walk; nothing where none has that name."""
    kind, _, number = name.partition("-")
    queue: Any = {"one": failed_derivations.workable(), "all": rederiving.walkable()}.get(kind)
    if queue is None:
        return FailedDerivation.objects.none()
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    return queue.filter(pk=int(number) if is_number else 0)


def _ordered(rows: Any) -> Any:
    first = Case(When(state=State.DEAD, then=Value(0)), default=Value(1), output_field=IntegerField())
    return rows.select_related("connection").order_by(first, "next_attempt_at", "pk")


def _payments(rows: list[FailedDerivation]) -> dict[tuple[int | None, str], RecurringPayment]:
    ids = [_id(row.object_key) for row in rows]
    connections = [row.connection_id for row in rows]
    found = RecurringPayment.objects.filter(legacy_connection_id__in=connections, store_recurring_payment_id__in=ids)
    return {(payment.legacy_connection_id, payment.store_recurring_payment_id): payment for payment in found}


def _id(key: str) -> str:
    return key.partition(":")[2]
