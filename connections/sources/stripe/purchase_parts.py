"""The objects of one purchase sorted by what they are, each once, whether held by itself or inside another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import shapes

TYPES = ("checkout_session", "payment_intent", "charge", "invoice", "invoice_payment", "refund", "dispute")
# Where older versions put whole objects, and where an expansion does.
_INSIDE = (
    ("charges", "data"),  # of a payment intent, before 2022-11-15
    ("latest_charge",),
    ("charge",),
    ("payment_intent",),
    ("invoice",),
    ("refunds", "data"),  # of a charge, before 2022-11-15
    ("payments", "data"),  # of an invoice
    ("payment", "payment_intent"),  # of an invoice payment
    ("payment", "charge"),
)
_NO_INVOICE = ("draft", "deleted")


@dataclass(frozen=True)
class Parts:
    """Only what counts towards an order: no draft, nothing for nothing, no checkout that is not done. Oldest first.

    `paying`: the charges that brought money. `references`: keys of everything held or named, sorted.
    """

    sessions: tuple[HeldObject, ...]
    intents: tuple[HeldObject, ...]
    charges: tuple[HeldObject, ...]
    paying: tuple[HeldObject, ...]
    invoices: tuple[HeldObject, ...]
    refunds: tuple[HeldObject, ...]
    disputes: tuple[HeldObject, ...]
    references: tuple[str, ...]

    @property
    def all(self) -> tuple[HeldObject, ...]:
        """From the most telling to the least."""
        return (*self.invoices, *self.sessions, *self.paying, *self.charges, *self.intents)


def parts_of(component: Iterable[HeldObject]) -> Parts:
    found = _newest(component)
    of_kind = {kind: tuple(held for held in found if held.type == kind) for kind in TYPES}
    charges = of_kind["charge"]
    return Parts(
        sessions=tuple(held for held in of_kind["checkout_session"] if _is_purchase(held.body)),
        intents=of_kind["payment_intent"],
        charges=charges,
        paying=tuple(charge for charge in charges if _brought_money(charge.body)),
        invoices=tuple(held for held in of_kind["invoice"] if _is_bill(held.body)),
        refunds=of_kind["refund"],
        disputes=of_kind["dispute"],
        references=_references(found),
    )


def integer(value: Any) -> int | None:
    """An amount or count a database can hold; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _newest(component: Iterable[HeldObject]) -> list[HeldObject]:
    """Each object once, in the newest state we have of it, ordered by age and id. What is gone is left out."""
    best: dict[tuple[str, str], tuple[Any, HeldObject]] = {}
    for held in component:
        if held.gone:
            continue
        for depth, one in _with_inner(held, 0):
            # Of the same moment the object itself tells more than its copy inside another one.
            rank = (one.as_of, -depth, one.event_type)
            key = (one.type, one.id)
            known = best.get(key)
            if known is None or rank > known[0] or (rank == known[0] and _written(one) > _written(known[1])):
                best[key] = (rank, one)
    return sorted((one for _, one in best.values()), key=_age)


def _written(held: HeldObject) -> str:
    """Two copies of the same rank that differ: either will do, but always the same."""
    return str(sorted(held.body.items(), key=lambda pair: pair[0]))


def _with_inner(held: HeldObject, depth: int) -> Iterator[tuple[int, HeldObject]]:
    yield depth, held
    if depth >= 3:
        return
    for path in _INSIDE:
        if path[0] not in held.body:
            continue
        inner = shapes.get(held.body, *path[:-1]) if len(path) > 1 else held.body
        value = inner.get(path[-1]) if isinstance(inner, dict) else None
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and one.get("id") and shapes.object_type(one) in TYPES:
                yield from _with_inner(
                    HeldObject(shapes.object_type(one), shapes.id_of(one), held.as_of, one), depth + 1
                )


def _age(held: HeldObject) -> tuple[int, str, str]:
    return integer(held.body.get("created")) or 0, held.type, held.id


def _is_purchase(session: Json) -> bool:
    """A done checkout for money. One that started a subscription is told by its invoice, whose id it names; versions
    that do not name it would make a second order of it."""
    if session.get("status", "complete") != "complete" or not integer(session.get("amount_total")):
        return False
    if session.get("mode") == "subscription":
        return bool(shapes.id_of(session.get("invoice")))
    return session.get("mode") != "setup"


def _is_bill(invoice: Json) -> bool:
    return invoice.get("status") not in _NO_INVOICE and (integer(invoice.get("total")) or 0) > 0


def _brought_money(charge: Json) -> bool:
    # An authorisation also counts as succeeded; it moves no balance until it is captured.
    held_back = charge.get("captured") is False and not charge.get("balance_transaction")
    return charge.get("status") == "succeeded" and not held_back


def _references(found: list[HeldObject]) -> tuple[str, ...]:
    keys = {f"{held.type}:{held.id}" for held in found}
    for held in found:
        keys |= {key for key in shapes.references(held.body) if key.partition(":")[0] in TYPES}
    return tuple(sorted(keys))
