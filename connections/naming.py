"""Which subscriptions name a shared object: product, price, coupon, payment method, customer. Maybe thousands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection as database

from connections.models import Connection

# A page of the answer must not tempt the planner to walk the whole table by its primary key: first who names, then
# the page. A card may be named by the customer alone, a coupon is by discounts, a product by items not embedded.
_SQL = """
    with between as materialized (
        select array_agg(type || ':' || external_id) as keys from connections_remoteobject
        where connection_id = %(connection)s and type in ('customer', 'discount') and refs && %(far)s::varchar[]
    ), named as materialized (
        select id, external_id from connections_remoteobject
        where connection_id = %(connection)s and type = 'subscription'
          and refs && (%(keys)s::varchar[] || coalesce((select keys from between), '{}')::varchar[])
        union
        select owner.id, owner.external_id
        from connections_remoteobject list
        join connections_remoteobject owner using (connection_id, external_id)
        where connection_id = %(connection)s and list.type = 'subscription_items' and owner.type = 'subscription'
          and list.refs && %(keys)s::varchar[]
    )
    select id, 'subscription:' || external_id from named where id > %(after)s order by id limit %(limit)s
"""


def subscriptions(connection: Connection, shared: Iterable[str], limit: int, after: int = 0) -> list[tuple[int, str]]:
    """(primary key, key) of at most `limit` held subscriptions that name one of the keys, from `after` on."""
    keys = sorted(shared)
    values: dict[str, Any] = {
        "connection": connection.pk,
        "keys": keys,
        "far": [key for key in keys if key.startswith(("payment_method:", "coupon:"))],
        "after": after,
        "limit": limit,
    }
    with database.cursor() as cursor:
        cursor.execute(_SQL, values)
        found: list[tuple[int, str]] = cursor.fetchall()
    return found
