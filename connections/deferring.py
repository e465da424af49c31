"""What pages of an import leave for later: see `underived`."""

from __future__ import annotations

from connections import derived, underived
from connections.derived import Told
from connections.models import Connection
from connections.remote_objects import Held
from connections.sources.stripe import cut_lists


def defer(connection: Connection, changed: dict[str, Told], held: Held) -> None:
    """Note what follows from the changed objects of an import, to be made once it rests."""
    kinds = derived.kinds_of(connection)
    if not changed or not kinds:
        return
    marks: dict[str, Told] = {}
    for key, told in changed.items():
        owner = cut_lists.owner_key(key)
        row = held.rows.get(owner)
        if underived.is_purchase(owner):
            _keep_newest(marks, underived.purchase_key(owner, row.refs if row else ()), told)
        elif derived.is_subscription(owner) and "subscription" in kinds:
            _keep_newest(marks, owner, told)
    if "subscription" in kinds:
        newest = max(changed.values(), key=lambda told: (told.occurred_at, told.key))
        for key in derived.sharing(connection, changed):
            _keep_newest(marks, key, newest)
    underived.mark(connection, marks)


def _keep_newest(marks: dict[str, Told], key: str, told: Told) -> None:
    known = marks.get(key)
    if known is None or (known.occurred_at, known.key) < (told.occurred_at, told.key):
        marks[key] = told
