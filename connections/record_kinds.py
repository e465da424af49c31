"""Which records an event makes: fixed, and shown on each resource's page."""

from __future__ import annotations

from dataclasses import dataclass

from connections.models import Resource
from connections.sources.stripe import events

KINDS = ("Contact", "Ecommerce customer", "Order", "Recurring payment")


@dataclass(frozen=True)
class EventLine:
    """One event of a resource. `makes` has an answer for each of KINDS."""

    type: str
    label: str
    on: bool
    makes: tuple[bool, ...]


def makes(event_type: str) -> tuple[bool, ...]:
    """Every supported event finds or creates its contact, and ties it to its Stripe customer, the ecommerce customer.

    No event makes orders or recurring payments in this version.
    """
    known = event_type in events.EVENTS
    return known, known, False, False


def event_lines(resource: Resource, chosen: list[str] | None = None) -> list[EventLine]:
    """Every event the resource may sync; `chosen` instead of what is stored, for a refused form."""
    on = set(resource.events if chosen is None else chosen)
    return [
        EventLine(event.type, event.label, event.type in on, makes(event.type))
        for event in events.offered(resource.kind)
    ]
