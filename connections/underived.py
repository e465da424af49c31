"""What follows from an import, noted to be made once it rests: each order and recurring payment once.

Made with each page, an order would be made with its invoice and again with its charge, and the recurring payment of a
subscription of five years with each of its sixty invoices, reading all the others again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from common import rows
from connections import remote_objects
from connections.models import Connection, SyncRun, Underived
from connections.sources.stripe.purchases import PURCHASE_TYPES

if TYPE_CHECKING:
    from connections.derived import Told

# A long import shows what it brought no later than this.
PATIENCE = timedelta(minutes=2)
# A page takes a second or two. Whoever holds one for longer has died, or waits.
LEASE = timedelta(seconds=60)
_IMPORTING = (SyncRun.State.QUEUED, SyncRun.State.RUNNING)
# A purchase is noted by what most of its objects name, so that its invoice and its charge are one mark.
_NAMED_FIRST = ("payment_intent", "invoice", "charge")


def mark(connection: Connection, marks: dict[str, Told], owners: Mapping[str, str] | None = None) -> None:
    """Note subscriptions and purchases by key, in the transaction that stores what they follow from.

    `owners`: key of the customer by that of the mark, as far as known. Whoever takes a mark away reads only then, so it
    finds what this transaction stored, or the mark comes after it.
    """
    owners = owners or {}
    rows.insert(
        [
            rows.made(
                Underived,
                connection_id=connection.pk,
                key=key,
                owner=owners.get(key, ""),
                stage=Underived.Stage.SUBSCRIPTION if key.startswith("subscription:") else Underived.Stage.PURCHASE,
                occurred_at=told.occurred_at,
                silent=told.silent,
            )
            for key, told in sorted(marks.items())
        ],
        conflict=_ONCE,
    )


_ONCE = """on conflict (connection_id, key) do update set
    silent = connections_underived.silent and excluded.silent,
    owner = greatest(connections_underived.owner, excluded.owner),
    occurred_at = greatest(connections_underived.occurred_at, excluded.occurred_at)"""


def purchase_key(key: str, refs: Iterable[str]) -> str:
    """What the purchase of an object is noted by."""
    for kind in _NAMED_FIRST:
        if named := sorted(known for known in (key, *refs) if known.startswith(f"{kind}:")):
            return named[0]
    return key


def owner(refs: Iterable[str]) -> str:
    """The customer among what an object names; "" for none."""
    return next((ref for ref in refs if ref.startswith("customer:")), "")


def is_purchase(key: str) -> bool:
    return key.partition(":")[0] in PURCHASE_TYPES


def silent(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Those of these keys that are noted and to be told to nobody."""
    noted = Underived.objects.filter(connection=connection, silent=True, key__one_of=set(keys))
    return set(noted.values_list("key", flat=True))


def marked(connection: Connection, keys: set[str]) -> set[str]:
    """Which of these objects are noted, whose rows are locked until the transaction ends."""
    noted = Underived.objects.filter(connection=connection)
    if not noted.exists():
        return set()
    remote_objects.lock(connection, keys)
    return set(noted.filter(key__one_of=keys).values_list("key", flat=True))


def due() -> QuerySet[Underived]:
    """Those of accounts whose imports rest, and those that have waited long enough; not those somebody is at."""
    # What a customer bought is read once for all that follows from it; recurring payments come last, as every purchase
    # may tell something more of them.
    return open_().exclude(lease_until__gt=Now()).order_by("connection", "owner", "stage", "pk")


def open_() -> QuerySet[Underived]:
    """The same with those somebody is at."""
    mine = {"resource__connection": OuterRef("connection")}
    importing = SyncRun.objects.imports().filter(state__in=_IMPORTING, **mine)
    connected = Underived.objects.filter(connection__in=Connection.objects.connected())
    return connected.exclude(Exists(importing), marked_at__gt=Now() - PATIENCE)
