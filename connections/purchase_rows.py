"""The rows that hang together as one purchase: invoice, checkout, payments, charges, refunds and disputes."""

from __future__ import annotations

from collections.abc import Iterable

from connections.models import RemoteObject
from connections.neighbourhood import Neighbourhood
from connections.sources.stripe import cut_lists, purchases
from connections.underived import is_purchase


def purchases_around(around: Neighbourhood, keys: Iterable[str]) -> dict[str, RemoteObject]:
    """The changed objects that belong to purchases, and all that hang together with them, by key."""
    found: dict[str, RemoteObject] = {}
    seen: set[str] = set()
    frontier = {key for key in keys if is_purchase(key)}
    while frontier:
        seen |= frontier
        rows = [*around.rows(frontier), *around.naming(purchases.PURCHASE_TYPES, frontier)]
        new = {row.key: row for row in rows if row.key not in found and row.body is not None}
        found |= new
        frontier = {key for row in new.values() for key in (row.key, *row.refs) if is_purchase(key)} - seen
    return found


def components(rows: dict[str, RemoteObject]) -> list[list[RemoteObject]]:
    """Rows that hang together by naming one another, even by way of an object we do not hold; each once, sorted."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for key, row in rows.items():
        for ref in row.refs:
            if is_purchase(ref):
                leader[find(ref)] = find(key)
    groups: dict[str, list[RemoteObject]] = {}
    for key in sorted(rows):
        groups.setdefault(find(key), []).append(rows[key])
    return list(groups.values())


def untied(rows: Iterable[RemoteObject]) -> set[str]:
    """Lists of payments to read: without them a charge that failed would seem to be a purchase of its own."""
    found = list(rows)
    tied = {ref for row in found if row.type == "invoice_payment" for ref in row.refs}
    invoices = (row for row in found if row.type == "invoice" and row.key not in tied)
    return {key for row in invoices if (key := cut_lists.payments_key(row.external_id, row.body or {}))}
