"""Connected resources as pages show them: where each stands, why, and its newest import."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery

from connections import log_counts
from connections.log_counts import Today
from connections.models import Connection, Resource, SyncLogEntry, SyncRun, SyncWindow, Underived
from connections.sources.stripe.events import RESOURCES

_ICONS = {
    "charge": "credit-card",
    "customer": "users",
    "subscription": "repeat",
    "invoice": "receipt",
    "checkout_session": "shopping-cart",
}


@dataclass
class ResourceLine:
    """One resource as the tables show it: where it stands, why, and its newest import."""

    resource: Resource
    run: SyncRun | None = None
    today: Today = field(default_factory=Today)

    @property
    def icon(self) -> str:
        return _ICONS.get(self.resource.kind, "activity")

    @property
    def field_count(self) -> int:
        return len(self.resource.mapping.rows) if self.resource.mapping else 0

    @property
    def last_record_at(self) -> datetime | None:
        return getattr(self.resource, "last_record_at", None)

    @property
    def percent(self) -> int:
        return int(self.run.share * 100) if self.run else 0

    @property
    def moves(self) -> bool:
        """Is the import under way, or what follows from it, so that looking again soon shows something new?"""
        walks = bool(self.run and self.run.is_open and self.run.state != SyncRun.State.PAUSED)
        return (walks or self.derives) and not self.stopped

    @property
    def derives(self) -> bool:
        """Has its import ended while orders or recurring payments are still made from what came?"""
        brings = self.resource.data == Resource.Data.ALL and getattr(self.resource, "has_underived", False)
        return bool(brings and self.run and not self.run.is_open) and not self.stopped

    @property
    def stopped(self) -> bool:
        return self.resource.removed_at is not None or self.resource.connection.state != Connection.State.ACTIVE

    @property
    def status(self) -> str:
        """attention, importing, waiting, paused, or active."""
        if self.cause:
            return "attention"
        if self.run and self.run.is_open:
            state = SyncRun.State
            return {state.WAITING: "waiting", state.PAUSED: "paused"}.get(state(self.run.state), "importing")
        return "active"

    @property
    def cause(self) -> str:
        """What needs a person, in words; "" if nothing does."""
        connection = self.resource.connection
        if connection.state == Connection.State.AUTH_FAILED:
            return "Stripe refuses the key"
        if self.resource.error:
            return self.resource.error
        if has_endpoint_trouble(connection):
            return "The webhook endpoint has a fault"
        if self.run and self.run.state in (SyncRun.State.FAILED, SyncRun.State.PARTLY_FAILED):
            return f"The import of the history failed: {self.run.message}"
        return ""


def has_endpoint_trouble(connection: Connection) -> bool:
    """With polling the same column only says why we poll."""
    return bool(connection.endpoint_error) and not connection.polls


def lines(resources: QuerySet[Resource]) -> list[ResourceLine]:
    """Resources in the order of the wizard, each with its newest import. Three queries."""
    newest = (
        SyncLogEntry.objects.filter(connection=OuterRef("connection"), resource_kind=OuterRef("kind"))
        .order_by("-pk")
        .values("worked_at")
    )
    found = list(
        resources.select_related("connection", "mapping").annotate(
            last_record_at=Subquery(newest[:1]),
            has_underived=Exists(Underived.objects.filter(connection=OuterRef("connection"))),
        )
    )
    runs = newest_runs([resource.pk for resource in found])
    found.sort(key=lambda resource: RESOURCES.index(resource.kind))
    return [ResourceLine(resource, runs.get(resource.pk)) for resource in found]


def of_resource(resource_id: int) -> ResourceLine:
    """One resource with its newest import and what today's log says of it. Four queries."""
    line = lines(Resource.objects.filter(pk=resource_id))[0]
    key = (line.resource.connection_id, line.resource.kind)
    line.today = log_counts.today([key[0]]).get(key, Today())
    return line


def newest_runs(resource_ids: list[int]) -> dict[int, SyncRun]:
    """Resource -> its newest import, with windows for its progress. Two queries."""
    runs = (
        SyncRun.objects.imports()
        .filter(resource__in=resource_ids)
        .order_by("resource_id", "-pk")
        .distinct("resource_id")
        .prefetch_related(Prefetch("windows", SyncWindow.objects.defer("last_error")))
    )
    return {run.resource_id: run for run in runs}
