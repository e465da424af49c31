"""What a restored backup must not do by itself: everything that was waiting in it may have been done since.

Automations pause, so that the events that Stripe tells anew start nothing. Runs whose next step was due by now end, as
that step may have been done; those that wait for a later day go on when a person resumes their automation. Mails and
deliveries wait for a person as well, each with its button to send it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from automations import failures, lifecycle, runs
from automations.destinations import verdicts
from automations.destinations.models import Delivery
from automations.models import Automation, FailureReport, Notice, Run, TriggerProblem
from campaigns import restored as campaigns
from common.due import State

WHY = "It was waiting when the backup was taken that was restored, and may have been done since."
_WAITS = (State.DUE, State.RUNNING)


@dataclass(frozen=True)
class HeldBack:
    """Names of the automations that pause and of the campaigns that were cancelled; how many of the others."""

    automations: list[str]
    runs: int
    campaigns: list[str]
    mails: int
    deliveries: int
    notices: int


@transaction.atomic
def hold_back() -> HeldBack:
    """Once more, it finds nothing. Nothing else may work on the database meanwhile."""
    _tell_no_old_failures()
    overdue = Run.objects.get_queryset().filter(Q(state=State.RUNNING) | Q(next_attempt_at__lte=Now()))
    ended = runs.stop(overdue, WHY)
    active = list(Automation.objects.active().order_by("pk"))
    for automation in active:
        lifecycle.pause(automation.pk)
    mails, cancelled = campaigns.hold_back()
    return HeldBack(
        automations=[automation.name for automation in active],
        runs=ended,
        campaigns=[campaign.name for campaign in cancelled],
        mails=mails,
        deliveries=_deliveries(),
        notices=Notice.objects.filter(state__in=_WAITS).update(
            state=State.DEAD, claims=0, lease_until=None, last_error_code=campaigns.CODE, last_error=WHY
        ),
    )


def _tell_no_old_failures() -> None:
    """Colleagues were told of them; what is held back now is news."""
    failures.untold().update(told_at=Now())
    TriggerProblem.objects.filter(told_at=None).update(told_at=Now())
    FailureReport.objects.filter(state__in=_WAITS).update(state=State.DONE, claims=0, lease_until=None)


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
