"""What many parts of one page ask of the database is read once, within a block that says so.

    with once.a_page():
        rows = [describe(one) for one in page]

Only around reading: what is written inside of a block is not seen by what was read before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TypeVar, cast

Found = TypeVar("Found")
_kept: ContextVar[dict[Hashable, object] | None] = ContextVar("kept", default=None)


@contextmanager
def a_page() -> Iterator[None]:
    """Within it each reading is done once; a block within a block shares what the outer one has read."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def read(key: Hashable, find: Callable[[], Found]) -> Found:
    """What `find` answers, kept under the key to the end of the block; outside of one it is asked each time."""
    kept = _kept.get()
    if kept is None:
        return find()
    if key not in kept:
        kept[key] = find()
    return cast(Found, kept[key])


def kept(find: Callable[[], Found]) -> Callable[[], Found]:
    """For a function without parameters whose answer is not changed by who gets it."""

    @wraps(find)
    def asked() -> Found:
        return read(find, find)

    return asked
