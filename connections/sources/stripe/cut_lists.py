"""Lists that Stripe embeds in part, or not at all in events: read apart, held as objects of their own. Pure.

An invoice embeds its first ten lines, a subscription its first ten items, a checkout session in an event none of its
line items, an invoice of today none of its payments. The whole list is held under its owner's id: "invoice_lines:in_1".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connections.sources.base import HeldObject, Json
from connections.sources.stripe import shapes


@dataclass(frozen=True)
class CutList:
    """`place`: key of the list in its owner's body; `path`, `parameter`: where and how the owner's id is asked for."""

    kind: str
    owner: str
    place: str
    path: str
    parameter: str = ""


_LISTS = (
    CutList("invoice_lines", "invoice", "lines", "/v1/invoices/{}/lines"),
    CutList("subscription_items", "subscription", "items", "/v1/subscription_items", "subscription"),
    CutList("checkout_line_items", "checkout_session", "line_items", "/v1/checkout/sessions/{}/line_items"),
)
_PAYMENTS = CutList("invoice_payments", "invoice", "payments", "/v1/invoice_payments", "invoice")
BY_KIND = {cut.kind: cut for cut in (*_LISTS, _PAYMENTS)}
_BY_OWNER = {cut.owner: cut for cut in _LISTS}


def asking(kind: str, owner_id: str) -> tuple[str, Json]:
    """Path and parameters of a list. KeyError if the kind is none."""
    cut = BY_KIND[kind]
    return cut.path.format(owner_id), {cut.parameter: owner_id} if cut.parameter else {}


def owner_key(key: str) -> str:
    """The key of a list's owner; that of any other object is its own."""
    kind, _, external_id = key.partition(":")
    return f"{BY_KIND[kind].owner}:{external_id}" if kind in BY_KIND else key


def rest_key(kind: str, external_id: str, body: Json) -> str:
    """The key of the list to read for an object whose body does not hold all of it; "" if nothing is missing."""
    cut = _BY_OWNER.get(kind)
    if cut is None:
        return ""
    embedded = body.get(cut.place)
    missing = shapes.get(embedded, "has_more") is True or (not embedded and kind == "checkout_session" and _sells(body))
    return f"{cut.kind}:{external_id}" if missing else ""


def payments_key(invoice_id: str, body: Json) -> str:
    """The key of the payments to read for an invoice that somebody tried to collect in vain; "" for any other.

    No event ties an attempt that failed to its invoice (one that succeeded has `invoice_payment.paid`), and since basil
    the invoice does not name its payment intent.
    """
    in_vain = body.get("attempted") is True and body.get("status") in ("open", "uncollectible", "void")
    return f"{_PAYMENTS.kind}:{invoice_id}" if in_vain and "payment_intent" not in body else ""


def _sells(session: Json) -> bool:
    """A paid checkout whose items no invoice tells."""
    is_done = session.get("status", "complete") == "complete" and session.get("mode") == "payment"
    return bool(is_done and session.get("amount_total") and not shapes.id_of(session.get("invoice")))


def is_outdated(owner: HeldObject, whole: HeldObject) -> bool:
    """Was the list read before its owner became what it is, and does it begin with other rows now?"""
    return whole.as_of < owner.as_of and not _fits(_embedded(owner), _rows(whole.body.get("data")))


def completed(owner: HeldObject, whole: HeldObject) -> HeldObject:
    """The owner with all rows of its list; as it is if the list is outdated."""
    rows = _rows(whole.body.get("data"))
    if is_outdated(owner, whole) or not rows:
        return owner
    if whole.as_of < owner.as_of:
        embedded = _embedded(owner)
        rows = embedded + rows[len(embedded) :]
    place = _BY_OWNER[owner.type].place
    listed = {"object": "list"} | (owner.body.get(place) or {}) | {"data": rows, "has_more": False}
    return owner._replace(body=owner.body | {place: listed})


def _embedded(owner: HeldObject) -> list[Json]:
    return _rows(shapes.get(owner.body, _BY_OWNER[owner.type].place, "data"))


def _rows(data: Any) -> list[Json]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _fits(embedded: list[Json], rows: list[Json]) -> bool:
    """The same rows, whatever the version they are rendered in."""
    return len(rows) >= len(embedded) and all(
        row.get(name) == known.get(name)
        for row, known in zip(embedded, rows, strict=False)
        for name in ("id", "amount", "quantity", "current_period_end")
        if name in row and name in known
    )
