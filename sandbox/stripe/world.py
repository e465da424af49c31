"""The whole sandbox in memory: accounts, their keys and books, the clock, faults, deliveries and the request log."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .book import Book
from .deliveries import Deliveries
from .faults import Faults
from .forms import Json
from .ids import object_id
from .keys import EVERYTHING, Key, make_secret

CURRENT_VERSION = "2026-10-28.endive"


@dataclass
class Account:
    """A Stripe account: what /v1/account tells, its rules for webhooks, its keys and its two books."""

    id: str
    name: str
    email: str
    country: str = "US"
    currency: str = "usd"
    created: int = 0
    api_version: str = CURRENT_VERSION
    local_webhooks: bool = True
    charges_enabled: bool = True
    endpoint_cap: int = 16
    keys: list[Key] = field(default_factory=list)
    books: dict[bool, Book] = field(default_factory=dict)

    def key(self, kind: str = "secret", livemode: bool = True, label: str = "") -> str | None:
        """The first key of that kind, mode and label, or None."""
        for key in self.keys:
            if (key.kind, key.livemode, key.label) == (kind, livemode, label):
                return key.secret
        return None


class World:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, tuple[Account, Key]] = {}
        self.offset = 0
        self.request: Json | None = None
        self.requests: deque[Json] = deque(maxlen=20_000)
        self.request_count = 0
        self.faults = Faults()
        self.deliveries = Deliveries(self)
        self.on_change: Callable[[], None] | None = None

    def now(self) -> int:
        return int(time.time()) + self.offset

    def changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def add_account(self, name: str, **settings: Any) -> Account:
        """A new account with a secret key in each mode. `settings` are fields of Account."""
        settings.setdefault("email", f"owner@{name.lower().replace(' ', '-')}.example")
        settings.setdefault("created", self.now() - 3 * 365 * 86400)
        settings.setdefault("id", f"acct_1{object_id('acct', name)[5:20]}")
        account = Account(name=name, **settings)
        account.books = {livemode: Book(self, account, livemode) for livemode in (True, False)}
        self.accounts[account.id] = account
        for livemode in (True, False):
            self.add_key(account, "secret", livemode)
        return account

    def add_key(
        self,
        account: Account,
        kind: str,
        livemode: bool,
        label: str = "",
        without: Iterable[str] = (),
        only: Iterable[str] | None = None,
        expired: bool = False,
    ) -> str:
        """A new key; a restricted one may do `only` these permissions, or everything `without` some."""
        permissions = (EVERYTHING if only is None else frozenset(only)) - frozenset(without)
        key = Key(make_secret(kind, livemode, account.name, label), livemode, kind, label, permissions, expired)
        account.keys = [known for known in account.keys if known.secret != key.secret] + [key]
        self.keys[key.secret] = (account, key)
        self.changed()
        return key.secret

    def account(self, name: str) -> Account | None:
        """The account with this name or id."""
        for account in self.accounts.values():
            if name in (account.name, account.id):
                return account
        return None

    def books(self) -> Iterable[Book]:
        for account in self.accounts.values():
            yield from account.books.values()
