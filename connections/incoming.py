"""What comes in on its way through `ingest`, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from common.fields import Field
from common.origin import Origin
from connections.models import Connection, InboundEvent, Resource, SyncLogEntry, SyncRun
from connections.remote_objects import Held
from connections.sources.base import Translation

Result = SyncLogEntry.Result


@dataclass
class Incoming:
    """An event, or a row of history, on its way in. Exactly one of `event` and `run` is set."""

    translation: Translation
    via: Origin
    event: InboundEvent | None = None
    run: SyncRun | None = None

    @property
    def key(self) -> str:
        """Names the record once and for all: activities are made once per key."""
        record = self.translation.record
        if self.event:
            return f"{self.event.connection_id}:{self.event.event_id}"
        assert self.run and record  # noqa: S101  history always has both
        return f"{self.run.resource.connection_id}:{self.run.word}:{record.key}"


@dataclass
class Outcome:
    """What became of one Incoming. `waits_for`: keys of objects it needs first; `stored`: those it brought.

    `lacks`: those it went on without. `late`: a newer state of its object was known, but no newer event. `quiet`: no
    log row wanted.
    """

    result: str = Result.UNCHANGED
    reason: str = ""
    waits_for: set[str] = field(default_factory=set)
    lacks: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    late: bool = False
    quiet: bool = False
    changes: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    contact: Any = None
    resource: Resource | None = None


@dataclass
class Batch:
    """What the records of one call share."""

    connection: Connection
    resources: dict[str, Resource]
    targets: dict[str, Field]
    held: Held
    importing: bool
