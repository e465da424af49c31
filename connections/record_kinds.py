"""Which records an event makes: fixed, and shown on each resource's page."""

from __future__ import annotations

from dataclasses import dataclass

from connections.derived import ORDER_RESOURCES
from connections.models import Resource
from connections.sources.stripe import events

# Told before anything is bought, or of something that will not be.
_NO_PURCHASE = ("invoice.upcoming", "invoice.will_be_due", "invoice.deleted", "checkout.session.expired")
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

    Orders come of what was bought, recurring payments of subscriptions and of the invoices and charges that pay them.
    """
    known = events.EVENTS.get(event_type)
    if known is None:
        return False, False, False, False
    order = known.resource in ORDER_RESOURCES and event_type not in _NO_PURCHASE
    recurring = known.resource == "subscription" or (order and known.resource in ("invoice", "charge"))
    return True, True, order, recurring


def event_lines(resource: Resource, chosen: list[str] | None = None) -> list[EventLine]:
    """Every event the resource may sync; `chosen` instead of what is stored, for a refused form."""
    on = set(resource.events if chosen is None else chosen)
    return [
        EventLine(event.type, event.label, event.type in on, makes(event.type))
        for event in events.offered(resource.kind)
    ]
