"""How one object is read from the source: by its own address, as a list, or as a part of what names it."""

from __future__ import annotations

from urllib.parse import quote

from connections import naming
from connections.models import RemoteObject
from connections.sources.base import ObjectState, SourceError
from connections.sources.stripe import cut_lists, translate
from connections.sources.stripe.client import Answer, Client

_PATHS = {
    "customer": "/v1/customers/{}",
    "charge": "/v1/charges/{}",
    "subscription": "/v1/subscriptions/{}",
    "invoice": "/v1/invoices/{}",
    "checkout_session": "/v1/checkout/sessions/{}",
    "payment_intent": "/v1/payment_intents/{}",
    "payment_method": "/v1/payment_methods/{}",
    "price": "/v1/prices/{}",
    "product": "/v1/products/{}",
    "coupon": "/v1/coupons/{}",
    "subscription_schedule": "/v1/subscription_schedules/{}",
    "refund": "/v1/refunds/{}",
    "dispute": "/v1/disputes/{}",
}
# Refusals that no other object would be spared.
ABOUT_THE_KEY = ("key_refused", "key_expired", "key_unreadable", "disconnected", "publishable")
KINDS = frozenset([*_PATHS, *cut_lists.BY_KIND, "discount"])


def read(client: Client, row: RemoteObject) -> tuple[ObjectState, ...]:
    """The object and, after it, what came with it. SourceError if it is not to be had."""
    if row.type not in KINDS:
        words = f"Stripe objects of the kind {row.type} cannot be read one by one."
        raise SourceError(words, permanent=True, code="kind")
    if row.type in cut_lists.BY_KIND:
        return _list(client, row)
    if row.type == "discount":
        return _discount(client, row)
    answer = client.get(_PATHS[row.type].format(quote(row.external_id, safe="")))
    return translate.from_row({"object": row.type, **answer.data}, answer.asked_at).states


def _list(client: Client, row: RemoteObject) -> tuple[ObjectState, ...]:
    """All pages of a list that its owner holds only in part."""
    path, asked = cut_lists.asking(row.type, row.external_id)
    pages = list(client.pages(path, **asked))
    data = [one for page in pages for one in page.data.get("data") or []]
    body = {"object": row.type, "id": row.external_id, "data": data}
    return translate.from_row(body, pages[0].asked_at).states


def _discount(client: Client, row: RemoteObject) -> tuple[ObjectState, ...]:
    """Stripe shows a discount only inside the subscription that has it."""
    for _, key in naming.subscriptions(row.connection, [row.key], 1):
        owner = key.partition(":")[2]
        answer = _with_discounts(client, _PATHS["subscription"].format(owner))
        came = {state.key: state for state in translate.embedded(answer.data, answer.asked_at)}
        if row.key in came:
            coupons = [state for state in came.values() if state.type == "coupon"]
            return (came[row.key], *coupons)
    raise SourceError("The discount is over.", permanent=True, code="resource_missing")


def _with_discounts(client: Client, path: str) -> Answer:
    """A subscription with its discounts and, where the key may read them, their coupons."""
    try:
        return client.get(path, expand=["discounts.source.coupon", "items.data.discounts"])
    except SourceError as error:
        if error.code != "permission":
            raise
        return client.get(path, expand=["discounts", "items.data.discounts"])
