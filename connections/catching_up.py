"""After an absence: what was held from before is compared as a whole, and what no list shows is read anew.

An account that was disconnected tells us nothing of that time, and its events of then count no more: it began anew.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models.functions import Now

from common import rows as bulk
from common.due import database_now
from connections import polling, remote_objects
from connections.models import Connection, ConnectionStatus, RemoteObject, SyncRun
from connections.sources.base import ObjectState, Translation
from connections.sources.stripe import comparing, shapes

# Kinds that no check walks, and the right to read each.
_SHARED = {
    "product": "rak_product_read",
    "price": "rak_plan_read",
    "coupon": "rak_coupon_read",
    "payment_method": "rak_payment_method_read",
}
_NAMING = ("subscription", "customer", "discount")
# So that what events ask for meanwhile does not stand behind thousands of these.
_PACE = timedelta(milliseconds=100)


def note_absence(connection: Connection) -> None:
    """Have every object compared, if any is held from before. A check that began earlier does not count."""
    if RemoteObject.objects.filter(connection=connection, body__isnull=False).exists():
        ConnectionStatus.objects.filter(pk=connection.pk).update(gap_since=Now() - polling.OLDEST)


def read_shared_anew(connection: Connection, run: SyncRun, found: list[Translation]) -> int:
    """Wish for the products, prices, coupons and cards that a page's running subscriptions name, as far as we hold
    them and did not hear of them since the check began. Returns how many.

    What the page itself shows to be the same is not asked for.
    """
    running = [one for one in found if _runs(one.states[0])]
    kinds = {kind for kind, right in _SHARED.items() if right not in connection.missing_permissions}
    if not running or not kinds:
        return 0
    states = [state for one in running for state in one.states]
    naming = {state.key for state in states if state.type in _NAMING}
    # Stripe shows ten items of a subscription; the others are held apart.
    naming |= {f"subscription_items:{one.states[0].external_id}" for one in running}
    named = {key for state in states for key in (state.key, *shapes.references(state.body))}
    keys = {key for key in named | remote_objects.named(connection, naming) if key.partition(":")[0] in kinds}
    shown = {state.key: state for state in states}
    old = {key for key, row in remote_objects.read(connection, keys).items() if _may_differ(row, run, shown.get(key))}
    mine = [row for row in remote_objects.read(connection, old, lock=True).values() if _may_differ(row, run)]
    begin = _behind_the_last(connection)
    for place, row in enumerate(sorted(mine, key=lambda row: row.key)):
        row.wanted_at, row.wanted_attempts = begin + place * _PACE, 0
    bulk.update(mine, ["wanted_at", "wanted_attempts"])
    return len(mine)


def _runs(state: ObjectState) -> bool:
    """Is it a subscription that has not ended?"""
    return state.type == "subscription" and not state.deleted and state.body.get("status") not in comparing.ENDED


def _may_differ(row: RemoteObject, run: SyncRun, shown: ObjectState | None = None) -> bool:
    """Not what is wished for already, or was refused, or is gone."""
    if row.body is None or row.wanted_at or row.wanted_error or row.deleted_at:
        return False
    if row.as_of and row.as_of >= run.range_to:
        return False
    return shown is None or not row.has(shown.body)


def _behind_the_last(connection: Connection) -> datetime:
    """When the next of these wishes is due: behind those of the pages before."""
    waiting = RemoteObject.objects.filter(
        connection=connection, type__in=_SHARED, body__isnull=False, wanted_at__isnull=False, wanted_attempts=0
    )
    last = waiting.order_by("-wanted_at").values_list("wanted_at", flat=True).first()
    now: datetime = database_now()
    return max(now, last + _PACE) if last else now
