"""What this part of automations tells the others, for `AppConfig.ready()`."""

from __future__ import annotations

from datetime import datetime

from automations.destinations import actions, content, sending, totals
from automations.destinations.models import Delivery, in_turn
from common import health, settings_menu
from common.due import State
from connections import idle
from contacts import merging


def register() -> None:
    totals.register()
    content.register()
    actions.register()
    settings_menu.register("Destinations", "destinations:list", order=40, role="marketer")
    health.register("deliveries", _oldest, worked_by="stripe")
    idle.register("deliveries", sending.drain, _now)
    merging.register("deliveries", merging.rows_of(Delivery))


def _oldest() -> datetime | None:
    first = in_turn().first()
    return first.waits_since if first else None


def _now() -> int:
    return Delivery.objects.sendable().count() + Delivery.objects.filter(state=State.RUNNING).count()
