"""What people do to a destination: add, change, give new credentials, disable, enable, delete."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, Q

from automations.destinations import addresses, customerio, hosts, signing
from automations.destinations.models import Delivery, Destination, Host
from automations.flow import walk
from automations.models.automation import Automation, AutomationVersion
from automations.models.run import Run
from common.due import State


def host(name: str) -> Host:
    return Host.objects.get_or_create(name=name)[0]


@transaction.atomic
def add_webhook(destination: Destination) -> str:
    """Store a new webhook. Its secret, to be shown once."""
    destination.host = host(addresses.host_of(destination.url))
    destination.save()
    return signing.give_secret(destination)


@transaction.atomic
def add_customerio(destination: Destination, api_key: str) -> None:
    """Store a new account, whose credentials were checked."""
    destination.host = host(customerio.host(destination.region))
    destination.save()
    replace_credentials(destination, api_key)


def change(destination: Destination) -> None:
    """Store what a form changed; deliveries that wait go to the new address."""
    if destination.is_webhook:
        destination.host = host(addresses.host_of(destination.url))
    # Not its state and its secrets: somebody may change them at the same time.
    destination.save(update_fields=["name", "url", "takes_tests", "identify_by", "host"])


def replace_credentials(destination: Destination, api_key: str) -> None:
    """Other credentials of Customer.io, which were checked: what was held leaves now.

    Nothing else is written: somebody may have renamed or disabled it since the form was opened.
    """
    destination.host = host(customerio.host(destination.region))
    destination.seal("api_key", api_key)
    destination.key_hint = f"…{api_key[-4:]}"
    destination.save(update_fields=["site_id", "region", "host", "api_key_sealed", "key_hint"])
    held = Destination.objects.filter(pk=destination.pk, state=Destination.State.HELD)
    held.update(state=Destination.State.ACTIVE, error="")
    destination.refresh_from_db()


def disable(destination: Destination) -> None:
    """What is due waits; what runs send meanwhile waits as well."""
    Destination.objects.filter(pk=destination.pk).update(state=Destination.State.DISABLED, error="")


def enable(destination: Destination) -> None:
    hosts.well(destination.host_id)
    Destination.objects.filter(pk=destination.pk).update(state=Destination.State.ACTIVE, error="")


def used_by(destination: Destination) -> list[Automation]:
    """Automations whose draft, or a version that runs or that contacts are in, sends there."""
    inside = Run.objects.under_way().values("version")
    versions = AutomationVersion.objects.filter(pk__in=inside) | AutomationVersion.objects.filter(
        current_of__isnull=False
    )
    using = {one.automation_id for one in versions.distinct() if _sends_to(one.steps, destination)}
    using |= {one.pk for one in Automation.objects.present() if _sends_to(one.steps, destination)}
    return list(Automation.objects.filter(pk__in=using))


def waiting(destination: Destination) -> int:
    """Deliveries that have not left yet."""
    return Delivery.objects.filter(destination=destination, state__in=[State.DUE, State.RUNNING]).count()


def waiting_and_failed() -> tuple[dict[int, int], dict[int, int]]:
    """How many, by destination. Those that arrived, which are nearly all, are not looked at."""
    return _counted(Q(state=State.DUE) | Q(state=State.RUNNING)), _counted(Q(state=State.DEAD))


def _counted(which: Q) -> dict[int, int]:
    rows = Delivery.objects.filter(which).values("destination").annotate(count=Count("pk")).order_by()
    return {row["destination"]: row["count"] for row in rows}


def _sends_to(steps: list[dict[str, object]], destination: Destination) -> bool:
    actions = ("webhook", "customerio_person", "customerio_event")
    return any(
        step["action"] in actions and step.get("parameters", {}).get("destination") == destination.pk
        for step in walk(steps)
    )
