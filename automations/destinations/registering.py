"""What this part of automations tells the others, for `AppConfig.ready()`."""

from __future__ import annotations

from automations.destinations import actions, content, sending, totals
from automations.destinations.models import Delivery, waits_since
from common import health, settings_menu
from common.due import State
from connections import idle
from contacts import merging
from orders import merging as order_merging


def register() -> None:
    totals.register()
    content.register()
    actions.register()
    settings_menu.register("Destinations", "destinations:list", order=40, role="marketer")
    health.register("deliveries", waits_since, worked_by="stripe")
    idle.register("deliveries", sending.drain, _now)
    merging.register("deliveries", merging.rows_of(Delivery))
    order_merging.register("deliveries", order_merging.rows_of(Delivery))


def _now() -> int:
    return Delivery.objects.sendable().count() + Delivery.objects.filter(state=State.RUNNING).count()
