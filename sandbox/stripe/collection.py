"""Objects of one type in one account and mode: found by id, listed newest first, grown cheaply.

A stored object is never changed in place; a change stores a new dictionary. So an event may keep the old one.
A *seed* is a row not yet built: a tuple from which `build` makes the object each time it is read. A hundred
thousand seeds take seconds and megabytes; a seed that is changed becomes an ordinary object.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .forms import Json

Seed = tuple[Any, ...]
Place = tuple[int, int]


class Collection:
    def __init__(self, build: Callable[[str, Seed], Json], indexes: dict[str, Callable[[Json], Any]]) -> None:
        self.build = build
        self.indexes = indexes
        self.rows: dict[str, Json | Seed] = {}
        self.places: dict[str, Place] = {}
        self.order: list[tuple[int, int, str]] = []
        self.index: dict[str, dict[str, dict[str, None]]] = {name: {} for name in indexes}
        self.sequence = 0

    def __len__(self) -> int:
        return len(self.order)

    def get(self, object_id: str) -> Json | None:
        row = self.rows.get(object_id)
        return self.build(object_id, row) if isinstance(row, tuple) else row

    def put(self, obj: Json) -> None:
        """Store a new object, or the new state of a known one (its place in the list stays)."""
        object_id = obj["id"]
        before = self.get(object_id)
        if before is None:
            self._place(object_id, obj["created"])
        for name, value_of in self.indexes.items():
            old, new = before and value_of(before), value_of(obj)
            if before is None or old != new:
                self._move(name, object_id, old, new)
        self.rows[object_id] = obj

    def put_seed(self, object_id: str, created: int, seed: Seed, keys: dict[str, str]) -> None:
        """Store a row that is built on demand; `keys` are its values in the indexes."""
        self._place(object_id, created)
        for name, value in keys.items():
            self._move(name, object_id, None, value)
        self.rows[object_id] = seed

    def remove(self, object_id: str, stub: Json | None = None) -> None:
        """Take an object out of lists; a `stub` stays to be retrieved (deleted customers)."""
        obj = self.get(object_id)
        created, sequence = self.places.pop(object_id)
        del self.order[bisect_left(self.order, (created, sequence))]
        for name, value_of in self.indexes.items():
            self._move(name, object_id, value_of(obj or {}), None)
        if stub is None:
            del self.rows[object_id]
        else:
            self.rows[object_id] = stub

    def newest_first(self, lowest: int | None = None, before: int | None = None) -> Iterator[Json]:
        """Objects with lowest <= created < before, newest first."""
        start = 0 if lowest is None else bisect_left(self.order, (lowest,))
        stop = len(self.order) if before is None else bisect_left(self.order, (before,))
        for position in range(stop - 1, start - 1, -1):
            yield self.rows_at(position)

    def rows_at(self, position: int) -> Json:
        row_id = self.order[position][2]
        row = self.rows[row_id]
        return self.build(row_id, row) if isinstance(row, tuple) else row

    def where(self, name: str, value: str) -> list[Json]:
        """Objects whose indexed value is `value`, newest first."""
        ids = sorted(self.index[name].get(value, ()), key=lambda key: self.places[key], reverse=True)
        return [obj for obj in map(self.get, ids) if obj is not None]

    def walk(self, ids: Iterable[str] | None, after: Place | None, backwards: bool) -> Iterator[Json]:
        """Objects following the place `after` in list order (newest first; `backwards`: oldest first)."""
        if ids is None:
            yield from self._walk_all(after, backwards)
            return
        places = sorted((self.places[object_id], object_id) for object_id in ids)
        for place, object_id in places if backwards else reversed(places):
            if after is None or (place > after if backwards else place < after):
                obj = self.get(object_id)
                if obj is not None:
                    yield obj

    def _walk_all(self, after: Place | None, backwards: bool) -> Iterator[Json]:
        if backwards:
            start = 0 if after is None else bisect_left(self.order, (*after, "\U0010ffff"))
            yield from (self.rows_at(position) for position in range(start, len(self.order)))
        else:
            stop = len(self.order) if after is None else bisect_left(self.order, after)
            yield from (self.rows_at(position) for position in range(stop - 1, -1, -1))

    def note_indexes(self, object_id: str, obj: Json) -> None:
        """Put a row that was loaded from the state file into the indexes."""
        for name, value_of in self.indexes.items():
            self._move(name, object_id, None, value_of(obj))

    def _place(self, object_id: str, created: int) -> None:
        self.sequence += 1
        self.places[object_id] = (created, self.sequence)
        insort(self.order, (created, self.sequence, object_id))

    def _move(self, name: str, object_id: str, old: Any, new: Any) -> None:
        index = self.index[name]
        if old is not None and object_id in index.get(old, ()):
            del index[old][object_id]
        if new is not None:
            index.setdefault(new, {})[object_id] = None
