"""What a restored backup must not do by itself: everything that was waiting in it may have been done since.

Automations pause, so that neither their waiting runs nor the events that Stripe tells anew send anything. What had left
the house already waits for a person, each with its button to send it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from automations import lifecycle
from automations.destinations import verdicts
from automations.destinations.models import Delivery
from automations.models import Automation, Notice
from campaigns import restored as campaigns
from common.due import State

WHY = "It was waiting when the backup was taken that was restored, and may have been sent since."
_WAITS = (State.DUE, State.RUNNING)


@dataclass(frozen=True)
class HeldBack:
    """Names of the automations that pause and of the campaigns that were cancelled; how many of the others."""

    automations: list[str]
    campaigns: list[str]
    mails: int
    deliveries: int
    notices: int


@transaction.atomic
def hold_back() -> HeldBack:
    """Once more, it finds nothing. Nothing else may work on the database meanwhile."""
    active = list(Automation.objects.active().order_by("pk"))
    for automation in active:
        lifecycle.pause(automation.pk)
    mails, cancelled = campaigns.hold_back()
    return HeldBack(
        automations=[automation.name for automation in active],
        campaigns=[campaign.name for campaign in cancelled],
        mails=mails,
        deliveries=_deliveries(),
        notices=Notice.objects.filter(state__in=_WAITS).update(
            state=State.DEAD, claims=0, lease_until=None, last_error_code=campaigns.CODE, last_error=WHY
        ),
    )


def _deliveries() -> int:
    waiting = list(Delivery.objects.filter(state__in=_WAITS).order_by("pk").select_for_update(of=("self",)))
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in waiting]).update(
        state=State.DEAD,
        claims=0,
        lease_until=None,
        last_error_code=campaigns.CODE,
        last_error=WHY,
    )
    for delivery in waiting:
        delivery.refresh_from_db()
        verdicts.gave_up(delivery)
    return len(waiting)
