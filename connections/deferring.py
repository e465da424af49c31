"""What pages of an import leave for later: see `underived`."""

from __future__ import annotations

from collections.abc import Iterable

from common import rows
from common.origin import Origin
from connections import derived, remote_objects, underived
from connections.derived import Told
from connections.models import Connection, Underived
from connections.remote_objects import Held
from connections.sources.base import ObjectState
from connections.sources.stripe import cut_lists, shapes


def defer(connection: Connection, changed: dict[str, Told], held: Held) -> None:
    """Note what follows from the changed objects of an import, to be made once it rests."""
    kinds = derived.kinds_of(connection)
    if not changed or not kinds:
        return
    marks: dict[str, Told] = {}
    customers: dict[str, str] = {}
    for key, told in changed.items():
        whole = cut_lists.owner_key(key)
        refs = held.rows[whole].refs if whole in held.rows else []
        if underived.is_purchase(whole):
            noted = underived.purchase_key(whole, refs)
        elif derived.is_subscription(whole) and "subscription" in kinds:
            noted = whole
        else:
            continue
        _keep_newest(marks, noted, told)
        if customer := underived.owner(refs):
            customers[noted] = customer
    if "subscription" in kinds:
        newest = max(changed.values(), key=lambda told: (told.occurred_at, told.key))
        for key in derived.sharing(connection, changed):
            _keep_newest(marks, key, newest)
    underived.mark(connection, marks, customers)


def _keep_newest(marks: dict[str, Told], key: str, told: Told) -> None:
    known = marks.get(key)
    if known is None or (known.occurred_at, known.key) < (told.occurred_at, told.key):
        marks[key] = told


def catch_up(connection: Connection, states: Iterable[ObjectState]) -> None:
    """Make what an import has left about these objects before they change.

    Else the old order that a live refund tells of would be new with it, and start what new orders start.
    """
    if not Underived.objects.filter(connection=connection).exists():
        return
    named = {key for state in states for key in (cut_lists.owner_key(state.key), *shapes.references(state.body))}
    left = Underived.objects.filter(connection=connection, key__one_of={key for key in named if derived.is_met_at(key)})
    if told := taken(connection, set(left.values_list("key", flat=True))):
        derived.refresh(connection, told)


def taken(connection: Connection, keys: set[str]) -> dict[str, Told]:
    """Delete the marks of objects, whose rows are locked first, and say what they told."""
    if not keys:
        return {}
    remote_objects.lock(connection, keys)
    marks = rows.execute(_TAKE, [connection.pk, sorted(keys)])
    prefix = f"{connection.pk}:history"
    return {key: Told(at, Origin.HISTORY, f"{prefix}:{key}:{at.timestamp():.0f}", silent) for key, at, silent in marks}


_TAKE = """delete from connections_underived where connection_id = %b and key = any(%b::text[])
    returning key, occurred_at, silent"""
