"""The state file: the whole world as lines of JSON, put into place a moment after the last change."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .book import Book
from .forms import Json
from .keys import Key
from .world import Account, World

if TYPE_CHECKING:
    from .collection import Collection

SETTINGS = (
    "id",
    "name",
    "email",
    "country",
    "currency",
    "created",
    "api_version",
    "local_webhooks",
    "charges_enabled",
    "endpoint_cap",
)
DETAILS = "lines of"
BOOK_PARTS = ("secrets", "idempotent", "growth", "numbers")
PAUSE_SECONDS = 1.0
"""At least; after a long save the next waits four times as long as the last one took."""


Row = tuple[str, bool, str, int, int, str, Any]
"""Account, live mode, type, created, sequence, id, and the object or seed."""


def snapshot(world: World) -> tuple[Json, list[Row]]:
    """The world's head (accounts, keys, counters) and all its rows, taken under the lock.

    Rows are never changed in place, so they can be written after the lock is free.
    """
    with world.lock:
        accounts = [_account(account) for account in world.accounts.values()]
        head = {"offset": world.offset, "request_count": world.request_count, "accounts": accounts}
        return json.loads(json.dumps(head)), [row for book in world.books() for row in _rows(book)]


def _account(account: Account) -> Json:
    keys = [{**asdict(key), "permissions": sorted(key.permissions)} for key in account.keys]
    books = {"live" if livemode else "test": _book(book) for livemode, book in account.books.items()}
    return {**{name: getattr(account, name) for name in SETTINGS}, "keys": keys, "books": books}


def _book(book: Book) -> Json:
    gone = [row for row in book.collection("customer").rows.values() if isinstance(row, dict) and row.get("deleted")]
    return {**{name: getattr(book, name) for name in BOOK_PARTS}, "deleted": gone}


def _rows(book: Book) -> Iterator[Row]:
    where = (book.account.id, book.livemode)
    for name, collection in book.collections.items():
        for created, sequence, row_id in collection.order:
            yield (*where, name, created, sequence, row_id, collection.rows[row_id])
    for row_id, lines in book.details.items():
        yield (*where, DETAILS, 0, 0, row_id, lines)


def write(world: World, path: Path) -> None:
    """Write the world beside `path` and move it into place: a line for the head, then one for each row."""
    head, rows = snapshot(world)
    aside = path.with_suffix(".new")
    with aside.open("w") as file:
        file.write(json.dumps(head) + "\n")
        # Row by row, so that other threads get their turn between two of them.
        file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read(path: Path) -> World:
    """The world that `write` kept."""
    with path.open() as file:
        world = _from_head(json.loads(file.readline()))
        for line in file:
            account, livemode, name, created, sequence, row_id, row = json.loads(line)
            book = world.accounts[account].books[livemode]
            if name == DETAILS:
                book.details[row_id] = row
            else:
                _fill(book.collection(name), created, sequence, row_id, row)
    world.deliveries.resume()
    return world


def _from_head(head: Json) -> World:
    world = World()
    world.offset, world.request_count = head["offset"], head["request_count"]
    for kept in head["accounts"]:
        account = Account(**{name: kept[name] for name in SETTINGS})
        account.keys = [Key(**{**key, "permissions": frozenset(key["permissions"])}) for key in kept["keys"]]
        account.books = {
            mode == "live": _from_book(world, account, mode, kept["books"][mode]) for mode in kept["books"]
        }
        world.accounts[account.id] = account
        world.keys |= {key.secret: (account, key) for key in account.keys}
    return world


def _from_book(world: World, account: Account, mode: str, kept: Json) -> Book:
    book = Book(world, account, mode == "live")
    for name in BOOK_PARTS:
        setattr(book, name, kept[name])
    for stub in kept["deleted"]:
        book.collection("customer").rows[stub["id"]] = stub
    return book


def _fill(collection: "Collection", created: int, sequence: int, row_id: str, row: Any) -> None:
    """Put a row back at its old place; rows come in the order of their list."""
    collection.sequence = max(collection.sequence, sequence)
    collection.places[row_id] = (created, sequence)
    collection.order.append((created, sequence, row_id))
    collection.rows[row_id] = tuple(row) if isinstance(row, list) else row
    if isinstance(row, dict):
        collection.note_indexes(row_id, row)


class StateFile:
    """Saves a world to `path` about a second after its last change, and at `close`."""

    def __init__(self, world: World, path: Path) -> None:
        self.world = world
        self.path = path
        self.dirty = threading.Event()
        self.closed = threading.Event()
        self.pause = PAUSE_SECONDS
        world.on_change = self.dirty.set
        self.thread = threading.Thread(target=self._run, name="sandbox-state", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.closed.is_set():
            self.dirty.wait()
            self.closed.wait(self.pause)
            if self.dirty.is_set() and not self.closed.is_set():
                self.save()

    def save(self) -> None:
        began = time.monotonic()
        self.dirty.clear()
        write(self.world, self.path)
        self.pause = max(PAUSE_SECONDS, 4 * (time.monotonic() - began))

    def close(self) -> None:
        """Save a last time and stop."""
        self.closed.set()
        self.dirty.set()
        self.thread.join()
        self.save()
