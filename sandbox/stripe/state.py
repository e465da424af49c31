"""The state file: the whole world as JSON, written aside and moved into place, a moment after the last change."""

import json
import os
import threading
import time
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
BOOK_PARTS = ("details", "secrets", "idempotent", "growth", "numbers")
PAUSE_SECONDS = 1.0
"""At least; after a long save the next waits twenty times as long as the last one took."""


def dump(world: World) -> Json:
    return {
        "offset": world.offset,
        "request_count": world.request_count,
        "accounts": [_account(one) for one in world.accounts.values()],
    }


def _account(account: Account) -> Json:
    keys = [{**asdict(key), "permissions": sorted(key.permissions)} for key in account.keys]
    books = {"live" if livemode else "test": _book(book) for livemode, book in account.books.items()}
    return {**{name: getattr(account, name) for name in SETTINGS}, "keys": keys, "books": books}


def _book(book: Book) -> Json:
    collections = {
        name: [[*place, row_id, collection.rows[row_id]] for row_id, place in collection.places.items()]
        for name, collection in book.collections.items()
    }
    gone = [row for row in book.collection("customer").rows.values() if isinstance(row, dict) and row.get("deleted")]
    return {**{name: getattr(book, name) for name in BOOK_PARTS}, "collections": collections, "deleted": gone}


def load(data: Json) -> World:
    world = World()
    world.offset, world.request_count = data["offset"], data["request_count"]
    for kept in data["accounts"]:
        account = Account(**{name: kept[name] for name in SETTINGS})
        account.keys = [Key(**{**key, "permissions": frozenset(key["permissions"])}) for key in kept["keys"]]
        account.books = {
            mode == "live": _loaded_book(world, account, mode == "live", book) for mode, book in kept["books"].items()
        }
        world.accounts[account.id] = account
        world.keys |= {key.secret: (account, key) for key in account.keys}
    return world


def _loaded_book(world: World, account: Account, livemode: bool, kept: Json) -> Book:
    book = Book(world, account, livemode)
    for name in BOOK_PARTS:
        setattr(book, name, kept[name])
    for name, rows in kept["collections"].items():
        _fill(book.collection(name), sorted(rows, key=lambda row: row[:2]))
    for stub in kept["deleted"]:
        book.collection("customer").rows[stub["id"]] = stub
    return book


def _fill(collection: "Collection", rows: list[Any]) -> None:
    for created, sequence, row_id, row in rows:
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
        with self.world.lock:
            self.dirty.clear()
            text = json.dumps(dump(self.world), separators=(",", ":"))
        aside = self.path.with_suffix(".new")
        with aside.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)
        self.pause = max(PAUSE_SECONDS, 20 * (time.monotonic() - began))

    def close(self) -> None:
        """Save a last time and stop."""
        self.closed.set()
        self.dirty.set()
        self.thread.join()
        self.save()
