"""Held objects with all rows of the lists that their bodies hold only in part; what is missing is wished for."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Now

from connections import remote_objects
from connections.models import Connection, RemoteObject
from connections.remote_objects import as_held
from connections.sources.base import HeldObject
from connections.sources.stripe import cut_lists


def whole(connection: Connection, rows: Iterable[RemoteObject]) -> dict[str, HeldObject]:
    """The rows that have a body, as held and complete as far as we know, by key.

    Nobody waits for a list: what follows from it is made anew when it comes. Costs nothing where nothing is cut.
    """
    held = {row.key: as_held(row) for row in rows if row.body is not None}
    cut = {key: rest for key, one in held.items() if (rest := cut_lists.rest_key(one.type, one.id, one.body))}
    if not cut:
        return held
    known = {row.key: row for row in remote_objects.rows(connection, set(cut.values()))}
    outdated = set()
    for key, rest in cut.items():
        row = known.get(rest)
        if row is None or row.body is None or row.deleted_at:
            continue
        if cut_lists.is_outdated(held[key], as_held(row)):
            outdated.add(row.pk)
        held[key] = cut_lists.completed(held[key], as_held(row))
    remote_objects.wish(connection, set(cut.values()) - known.keys())
    RemoteObject.objects.filter(pk__in=outdated, wanted_at=None).update(wanted_at=Now(), wanted_attempts=0)
    return held
