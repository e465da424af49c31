"""One row of the sync log with everything behind it: payload, changes, the mapping that wrote them, its replays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.due import State
from connections import log_lines, payloads
from connections.models import InboundEvent, RemoteObject, Resource, SyncLogEntry
from connections.telling import NO_EMAIL
from contacts.fields import targets


@dataclass(frozen=True)
class Payload:
    """`text` is empty when there is none; `note` says what is shown, or why nothing is."""

    text: str
    note: str


def detail(entry: SyncLogEntry) -> dict[str, Any]:
    """What the page of a row needs. A fixed number of queries."""
    labels = targets()
    event = entry.inbound
    return {
        "entry": entry,
        "line": log_lines.LogLine(entry, labels),
        "changes": log_lines.changes(entry, labels),
        "payload": _payload(entry),
        "payload_id": f"payload-{entry.pk}",
        "resource": _resource(entry),
        "no_email": entry.result == SyncLogEntry.Result.SKIPPED and NO_EMAIL in entry.reason,
        "others": _others(entry),
        "under_way": event is not None
        and event.replays > entry.replay
        and event.state in (State.DUE, State.RUNNING, State.WAITING),
        "stripe_url": _stripe_url(entry),
    }


def _payload(entry: SyncLogEntry) -> Payload:
    if entry.inbound_id:
        body = InboundEvent.objects.filter(pk=entry.inbound_id).values_list("body", flat=True).first()
        if body is not None:
            return Payload(payloads.as_text(bytes(body)), "As it came from Stripe.")
        if entry.result == SyncLogEntry.Result.IGNORED:
            return Payload("", "Millrace keeps no payload of events it ignores.")
        return Payload("", "The payload was removed after 30 days.")
    held = RemoteObject.objects.filter(connection=entry.connection_id, external_id=entry.object_id).first()
    if held is not None and held.body is not None:
        return Payload(payloads.pretty(held.body), "The object as Millrace holds it now.")
    return Payload("", "The payload is no longer held.")


def _resource(entry: SyncLogEntry) -> Resource | None:
    """The resource whose mapping was used, while it is connected."""
    return Resource.objects.active().filter(connection=entry.connection_id, kind=entry.resource_kind).first()


def _others(entry: SyncLogEntry) -> list[SyncLogEntry]:
    """The first working of the event and its replays, but for this row, newest first."""
    if entry.inbound_id is None:
        return []
    return list(SyncLogEntry.objects.filter(inbound=entry.inbound_id).exclude(pk=entry.pk).order_by("-replay"))


def _stripe_url(entry: SyncLogEntry) -> str:
    if not entry.event_id.startswith("evt_"):
        return ""
    mode = "test/" if entry.connection.is_test else ""
    return f"https://dashboard.stripe.com/{entry.connection.account}/{mode}events/{entry.event_id}"
