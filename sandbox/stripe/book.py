"""A book: everything one account holds in one mode. Every write to it goes through `add`, `update` and `delete`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import events, seeds
from .collection import Collection
from .forms import Json
from .ids import object_id, type_of
from .lists import INDEXES

if TYPE_CHECKING:
    from .world import Account, World


class Book:
    def __init__(self, world: "World", account: "Account", livemode: bool) -> None:
        self.world = world
        self.account = account
        self.livemode = livemode
        self.collections: dict[str, Collection] = {}
        self.details: dict[str, list[Json]] = {}
        self.secrets: dict[str, str] = {}
        self.idempotent: dict[str, list[Any]] = {}
        self.growth: dict[str, int] = {}
        self.numbers: dict[str, int] = {}
        self.moment: int | None = None

    @property
    def name(self) -> str:
        return f"{self.account.id}:{'live' if self.livemode else 'test'}"

    def now(self) -> int:
        """Unix seconds: the world's clock, or the moment a scenario plays at."""
        return self.world.now() if self.moment is None else self.moment

    @contextmanager
    def at(self, moment: int | None) -> Iterator[None]:
        """Play what follows at another time; None leaves the clock alone. What lies in the past is not delivered."""
        previous = self.moment
        self.moment = self.moment if moment is None else int(moment)
        try:
            yield
        finally:
            self.moment = previous

    def new_id(self, prefix: str) -> str:
        self.numbers[prefix] = self.numbers.get(prefix, 0) + 1
        return object_id(prefix, f"{self.name}:{self.numbers[prefix]}")

    def collection(self, type_name: str) -> Collection:
        if type_name not in self.collections:
            self.collections[type_name] = Collection(
                lambda row_id, seed: seeds.build(self, row_id, seed), INDEXES.get(type_name, {})
            )
        return self.collections[type_name]

    def get(self, type_name: str, row_id: str) -> Json | None:
        return self.collection(type_name).get(row_id)

    def find(self, row_id: str) -> Json | None:
        """Any object by its id alone; coupons have free ids and are tried last."""
        type_name = type_of(row_id)
        found = self.get(type_name, row_id) if type_name else None
        return found or self.get("coupon", row_id)

    def must(self, row_id: str) -> Json:
        """The object with this id; KeyError if there is none. For scenarios."""
        found = self.find(row_id)
        if found is None:
            raise KeyError(f"The sandbox has no object {row_id}.")
        return found

    def add(self, obj: Json, event: str | None = None) -> Json:
        """Store a new object and, if named, send its event."""
        self.collection(obj["object"]).put(obj)
        if event:
            self.emit(event, obj)
        self.world.changed()
        return obj

    def update(self, obj: Json, event: str | None, **changes: Any) -> Json:
        """Store `obj` with `changes`; the event carries previous_attributes and is left out if nothing changed."""
        current = self.get(obj["object"], obj["id"]) or obj
        after = {**current, **changes}
        previous = events.difference(current, after)
        self.collection(obj["object"]).put(after)
        if event and previous:
            self.emit(event, after, previous if event.endswith("updated") else None)
        self.world.changed()
        return after

    def delete(self, obj: Json, event: str | None = None) -> Json:
        """Take an object away. Customers stay retrievable as a stub, as at Stripe."""
        stub = {"id": obj["id"], "object": obj["object"], "deleted": True}
        self.collection(obj["object"]).remove(obj["id"], stub if obj["object"] == "customer" else None)
        if event:
            self.emit(event, obj)
        self.world.changed()
        return stub

    def emit(self, type_name: str, obj: Json, previous: Json | None = None) -> Json | None:
        return events.emit(self, type_name, obj, previous)
