"""Which subscriptions name a shared object: product, price, coupon, payment method, customer. Maybe thousands."""

from __future__ import annotations

from collections.abc import Iterable

from common import rows
from connections.models import Connection, RemoteObject

# PostgreSQL compares each row it finds with each key that was asked for: pages of keys keep that from growing with the
# square of a batch.
_KEYS = 40
# Only the refs may be looked up: few objects name a key, while by the statistics of a growing table an account seems to
# have so few objects of a type that all of them are read.
NAMED = """
    from unnest(%b::text[]) as page(keys) cross join lateral (
        select o.id, o.type, o.external_id from connections_remoteobject as o
        where o.connection_id + 0 = %b and o.type || '' = any(%b::text[]) and o.refs && page.keys::varchar[]
        offset 0
    ) as named
"""
_BETWEEN = "select named.type || ':' || named.external_id" + NAMED
# First who names, then the page: by its order the planner would walk the whole table along the primary key. A product
# may be named by items that are not embedded.
_SUBSCRIPTIONS = f"""
    with found as materialized (
        select named.id, named.external_id {NAMED}
        union
        select owner.id, owner.external_id from (select named.external_id {NAMED}) as list cross join lateral (
            select o.id, o.external_id from connections_remoteobject as o
            where o.connection_id = %b and o.type = 'subscription' and o.external_id = list.external_id
            offset 0
        ) as owner
    )
    select id, 'subscription:' || external_id from found where id > %b order by id limit %b
"""  # noqa: S608


def pages(keys: Iterable[str]) -> list[str]:
    """The keys as `NAMED` wants them."""
    ordered = sorted(keys)
    return [rows.literal(ordered[start : start + _KEYS]) for start in range(0, len(ordered), _KEYS)]


def every_subscription(connection: Connection, limit: int, after: int = 0) -> list[tuple[int, str]]:
    """(primary key, key) of at most `limit` held subscriptions, from `after` on."""
    held = RemoteObject.objects.filter(connection=connection, type="subscription", body__isnull=False, pk__gt=after)
    return [(row.pk, row.key) for row in held.only("pk", "type", "external_id").order_by("pk")[:limit]]


def subscriptions(connection: Connection, shared: Iterable[str], limit: int, after: int = 0) -> list[tuple[int, str]]:
    """(primary key, key) of at most `limit` held subscriptions that name one of the keys, from `after` on.

    A card may be named by the customer alone, a coupon is by discounts.
    """
    keys = set(shared)
    own = pages(keys)
    if far := {key for key in keys if key.startswith(("payment_method:", "coupon:"))}:
        found = rows.execute(_BETWEEN, [pages(far), connection.pk, ["customer", "discount"]])
        keys |= {key for (key,) in found}
    asked = [pages(keys), connection.pk, ["subscription"], own, connection.pk, ["subscription_items"]]
    answer: list[tuple[int, str]] = rows.execute(_SUBSCRIPTIONS, [*asked, connection.pk, after, limit])
    return answer
