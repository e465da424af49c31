"""Which events of Stripe come to us: those switched on at the resources of connected accounts."""

from __future__ import annotations

from collections.abc import Callable

from common import once
from connections.models import Connection, Resource
from connections.sources.stripe.events import EVENTS

NOTHING_CONNECTED = "Connect a Stripe account and choose what to sync, at Apps. Its events can start automations then."


@once.kept
def types() -> set[str]:
    """Every event type that is switched on at a resource of a connected account."""
    connected = Connection.objects.connected().filter(source="stripe")
    lists = Resource.objects.active().filter(connection__in=connected).values_list("events", flat=True)
    return {type_ for types in lists for type_ in types}


def offered() -> list[tuple[str, str]]:
    """(type, label with the type) in the order of the wizard's switches."""
    on = types()
    return [(type_, f"{EVENTS[type_].label} ({type_})") for type_ in EVENTS if type_ in on]


@once.kept
def accounts() -> list[tuple[str, str]]:
    return [(str(one.pk), str(one)) for one in Connection.objects.connected().filter(source="stripe")]


def nothing_connected() -> str:
    return "" if types() else NOTHING_CONNECTED


def lacking(*wanted: str) -> Callable[[], str]:
    """Why none of these can come, "" if one can."""

    def reason() -> str:
        on = types()
        if on & set(wanted):
            return ""
        if not on:
            return NOTHING_CONNECTED
        event = EVENTS[wanted[0]]
        resource = Resource.Kind(event.resource).label
        return f"Switch on “{event.label}” at the resource {resource}, at Apps. It is not synced now."

    return reason
