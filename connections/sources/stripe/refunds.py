"""How much of a charge went back. Pure: by the charge, and by its refunds where those know better.

A refund that seemed to succeed may fail days later (a closed account, an expired card). Stripe then tells of the refund
alone, so the charge we hold still counts it. Source: Stripe, "Refund and cancel payments", failed refunds.
"""

from __future__ import annotations

from collections.abc import Iterable

from connections.sources.base import HeldObject
from connections.sources.stripe import shapes
from connections.sources.stripe.purchase_parts import integer

_RETURNED = ("succeeded", "pending", "requires_action")


def returned(charges: Iterable[HeldObject], refunds: Iterable[HeldObject]) -> dict[str, int]:
    """Id of the charge -> what went back, in the smallest unit. What belongs to no charge of these goes by the id of
    the charge, or else of the payment intent, that its refund names.
    """
    told: dict[str, list[HeldObject]] = {}
    for refund in refunds:
        charge = shapes.id_of(refund.body.get("charge")) or shapes.id_of(refund.body.get("payment_intent"))
        told.setdefault(charge, []).append(refund)
    of_charges = {charge.id: _of_charge(charge, told.pop(charge.id, [])) for charge in charges}
    return of_charges | {of: _sum(refund for refund in some if _holds(refund)) for of, some in told.items()}


def _of_charge(charge: HeldObject, refunds: list[HeldObject]) -> int:
    said = integer(charge.body.get("amount_refunded")) or 0
    if not refunds:
        return said
    # The refunds we hold need not be all. Those that failed are counted by a charge from between the two moments only.
    failed = _sum(one for one in refunds if not _holds(one) and _birth(one) <= charge.as_of.timestamp() <= _told(one))
    return max(_sum(refund for refund in refunds if _holds(refund)), said - failed)


def _holds(refund: HeldObject) -> bool:
    return refund.body.get("status") in _RETURNED


def _birth(refund: HeldObject) -> int:
    return integer(refund.body.get("created")) or 0


def _told(refund: HeldObject) -> float:
    return refund.as_of.timestamp()


def _sum(refunds: Iterable[HeldObject]) -> int:
    return sum(integer(refund.body.get("amount")) or 0 for refund in refunds)
