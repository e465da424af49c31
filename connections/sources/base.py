"""What every source of billing events looks like from here on down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

Json = dict[str, Any]


class SourceError(Exception):
    """What went wrong at the source, in the user's words. `permanent`: trying again cannot help.

    `retry_after`: seconds the source asked us to wait. `code`: short and stable, for rows and tests. `answered_at`: by
    the source's clock, or ours where it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        code: str,
        retry_after: float | None = None,
        permission: str = "",
        answered_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.code = code
        self.retry_after = retry_after
        self.permission = permission
        self.answered_at = answered_at or datetime.now(UTC)


class ObjectState(NamedTuple):
    """One object as it was at `as_of`. `previous`: the attributes an update replaced, if it told them.

    `fetched`: read from the source rather than told by an event about it. `waited`: its event waited until the object
    was read, so what we hold by such a reading is no older.
    """

    type: str
    external_id: str
    as_of: datetime
    body: Json
    event_id: str = ""
    event_type: str = ""
    api_version: str = ""
    deleted: bool = False
    previous: Json | None = None
    fetched: bool = False
    waited: bool = False

    @property
    def key(self) -> str:
        return f"{self.type}:{self.external_id}"


class HeldObject(NamedTuple):
    """What we hold of an object: mapping reads only these. `gone`: deleted, or not to be had from the source.

    `event_type`: the event its state came with; "" for one that was read. `event_at`: when the newest event about it
    happened, for kinds where that counts; None if none has come.
    """

    type: str
    id: str
    as_of: datetime
    body: Json
    gone: bool = False
    event_type: str = ""
    event_at: datetime | None = None


class View(NamedTuple):
    """A record's object with the objects around it, as far as we hold them, by key ("customer:cus_1")."""

    kind: str
    own: HeldObject
    held: dict[str, HeldObject]


class SourceRecord(NamedTuple):
    """A fact about one object of a resource: what it was before, what it is after. History knows no `before`.

    `subject`: key of the object that is mapped; a dispute tells of its charge.
    """

    resource: str
    object_type: str
    object_id: str
    subject: str
    before: Json | None
    after: Json
    occurred_at: datetime
    event_id: str = ""
    event_type: str = ""

    @property
    def key(self) -> str:
        return f"{self.object_type}:{self.object_id}"


class Translation(NamedTuple):
    """An event or list row in our words: states to hold, and the record to apply, if it is one of a resource."""

    states: tuple[ObjectState, ...]
    record: SourceRecord | None


class ValueOf(NamedTuple):
    """A value for mapping, and the object that says so: `slot` and `as_of` as contacts.facts wants them."""

    value: Any
    slot: str
    object_id: str
    as_of: datetime
