"""The objects held around those that changed, each read once in a transaction."""

from __future__ import annotations

from collections.abc import Iterable

from common import rows as bulk
from connections import naming, remote_objects
from connections.models import Connection, RemoteObject


class Neighbourhood:
    """Rows of one connection by their keys and by the keys they name.

    `ours`: rows this transaction has locked or made, which need not be read again. A row read here is as it was when
    first asked for: lock what must not change before asking.
    """

    def __init__(self, connection: Connection, ours: Iterable[RemoteObject] = ()) -> None:
        self._connection = connection
        self._rows: dict[str, RemoteObject] = {}
        self._naming: dict[str, dict[str, RemoteObject]] = {}
        self._missing: set[str] = set()
        # Which types were asked for what names a key.
        self._asked: dict[str, set[str]] = {}
        self._add(ours)

    def rows(self, keys: Iterable[str]) -> list[RemoteObject]:
        """Those of these objects that have a row, in order of key."""
        wanted = set(keys)
        # One by one: what is asked for is little, and sets are taken from each other by walking all that is known.
        unknown = {key for key in wanted if key not in self._rows and key not in self._missing}
        if unknown:
            found = remote_objects.read(self._connection, unknown)
            self._missing |= unknown - found.keys()
            self._add(found.values())
        return [self._rows[key] for key in sorted(wanted) if key in self._rows]

    def naming(self, types: Iterable[str], keys: Iterable[str]) -> list[RemoteObject]:
        """Objects of these types that name one of the keys, in order of key."""
        kinds, wanted = set(types), set(keys)
        unasked = {key for key in wanted if not kinds <= self._asked.get(key, set())}
        if unasked:
            self._add(self._read_naming(kinds, unasked))
            for key in unasked:
                self._asked.setdefault(key, set()).update(kinds)
        found = {row.key: row for key in wanted for row in self._naming.get(key, {}).values() if row.type in kinds}
        return [found[key] for key in sorted(found)]

    def _read_naming(self, kinds: set[str], keys: set[str]) -> list[RemoteObject]:
        found = bulk.execute(_NAMED, [naming.pages(keys), self._connection.pk, sorted(kinds)])
        unknown = {pk for (pk,) in found} - {row.pk for row in self._rows.values()}
        return bulk.built(RemoteObject, _ROWS, [sorted(unknown)]) if unknown else []

    def _add(self, rows: Iterable[RemoteObject]) -> None:
        for row in rows:
            self._rows[row.key] = row
            for ref in row.refs:
                self._naming.setdefault(ref, {})[row.key] = row


_NAMED = "select named.id" + naming.NAMED
_ROWS = remote_objects.SELECT + " from connections_remoteobject as o where o.id = any(%b::int8[])"  # noqa: S608
