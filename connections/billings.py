"""Subscriptions with everything held that their recurring payments are made from, for many in a few questions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from connections.models import Connection, RemoteObject
from connections.neighbourhood import Neighbourhood
from connections.remote_objects import as_held
from connections.sources.base import HeldObject
from connections.sources.stripe import shapes
from connections.sources.stripe.billing import Billing, latest_invoice, method_references
from connections.whole_lists import whole

_BILLS = ("invoice", "checkout_session")
_MONEY = ("charge", "refund")
_STAYS = ("customer", "product", "price", "coupon")


def billings_of(connection: Connection, around: Neighbourhood, subscriptions: list[RemoteObject]) -> list[Billing]:
    """Each subscription with everything we hold that its recurring payment is made from."""
    bills = around.naming(_BILLS, [row.key for row in subscriptions])
    complete = whole(connection, [*subscriptions, *(row for row in bills if row.type == "invoice")])
    _read_behind(around, [complete[row.key] for row in subscriptions])
    billings = [_billing(around, row.key, complete) for row in subscriptions]
    latest = [f"invoice:{invoice['id']}" for billing in billings if (invoice := latest_invoice(billing))]
    told = [*around.naming(("invoice_payment",), latest), *around.rows(latest)]
    # One question for the ways of all of them; below each finds its own in what is known by then.
    around.naming(_MONEY, {*latest, *_ways("payment_intent", told), *_ways("charge", told)})
    around.rows(_ways("charge", told))
    return [_with_charges(around, billing) for billing in billings]


def worth_reading(billing: Billing) -> Iterator[str]:
    """Keys of objects that no event of a subscription brings in time; of all that may pay only what does."""
    for key in shapes.references(billing.subscription.body):
        if key.startswith(("product:", "discount:", "subscription_schedule:")):
            yield key
    for reference in method_references(billing)[:1]:
        yield f"payment_method:{shapes.id_of(reference)}"
    for held in billing.held.values():
        if held.type in ("customer", "discount"):
            yield from (key for key in shapes.references(held.body) if key.startswith("coupon:"))


def _billing(around: Neighbourhood, key: str, complete: dict[str, HeldObject]) -> Billing:
    bills = [row for row in around.naming(_BILLS, [key]) if row.body is not None]
    return Billing(
        subscription=complete[key],
        held=_behind(around, complete[key]),
        invoices=tuple(complete[row.key] for row in bills if row.type == "invoice"),
        sessions=tuple(as_held(row) for row in bills if row.type == "checkout_session"),
    )


def _with_charges(around: Neighbourhood, billing: Billing) -> Billing:
    """With the payments of its latest invoice, which are all that counts."""
    invoice = latest_invoice(billing)
    if not invoice:
        return billing
    key = f"invoice:{invoice['id']}"
    payments = around.naming(("invoice_payment",), [key])
    told = [*payments, *around.rows([key])]
    ways = {key, *_ways("payment_intent", told), *_ways("charge", told)}
    money = {row.key: row for row in (*around.naming(_MONEY, ways), *around.rows(_ways("charge", told)))}
    held = [as_held(money[key]) for key in sorted(money) if money[key].body is not None]
    return replace(
        billing,
        charges=tuple(one for one in held if one.type == "charge"),
        refunds=tuple(one for one in held if one.type == "refund"),
        invoice_payments=tuple(as_held(payment) for payment in payments if payment.body is not None),
    )


def _ways(kind: str, rows: Iterable[RemoteObject]) -> set[str]:
    """How these were paid: the payment intents, or the charges, that they name."""
    return {ref for row in rows for ref in row.refs if ref.startswith(f"{kind}:")}


def _behind(around: Neighbourhood, subscription: HeldObject) -> dict[str, HeldObject]:
    """Customer, prices, products, payment methods and discounts of the subscription, and what those name in turn."""
    near = around.rows(_things(subscription))
    near += around.rows(_further(near))
    return {row.key: as_held(row) for row in near if row.body is not None and _counts(row)}


def _counts(row: RemoteObject) -> bool:
    """A customer or product that was deleted is still who or what it was, as far as we knew; but a card that is gone
    pays no more, and a discount that was ended is none.
    """
    return not row.deleted_at or (row.type in _STAYS and not shapes.is_stub(row.body or {}))


def _read_behind(around: Neighbourhood, subscriptions: list[HeldObject]) -> None:
    """What `_behind` will ask for, of all of them, in two questions."""
    around.rows(_further(around.rows({ref for one in subscriptions for ref in _things(one)})))


def _further(rows: Iterable[RemoteObject]) -> set[str]:
    """The payment method of a customer, the coupon of a discount."""
    return {ref for row in rows if row.type in ("customer", "discount") for ref in row.refs}


def _things(subscription: HeldObject) -> set[str]:
    return {ref for ref in shapes.references(subscription.body) if not ref.startswith("invoice:")}
