"""What failed for good and waits for a person: runs, what they sent, triggers that cannot start.

It stays until it is tried again or dismissed; what runs sent goes by itself after 400 days, as deliveries and mails do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from automations.destinations.models import Delivery
from automations.models import Run, RunStep, TriggerProblem
from campaigns.models import Mail
from common.due import State

_LOST = (Mail.Outcome.FAILED, Mail.Outcome.UNKNOWN)


@dataclass(frozen=True)
class Marker:
    """What the list of automations shows: how much failed for good, and why a trigger cannot run."""

    failed: int = 0
    problem: str = ""


def of(automations: Iterable[int]) -> dict[int, Marker]:
    """Automation -> what is wrong with it; only those with which something is. Four questions."""
    among = list(automations)
    dead = Run.objects.failed().filter(automation__in=among).values("automation").order_by()
    sent = Delivery.objects.filter(state=State.DEAD, run__automation__in=among)
    unsent = sent.values(automation=F("run__automation")).order_by()
    lost = _lost_mails().filter(run__automation__in=among).values(automation=F("run__automation")).order_by()
    counts: Counter[int] = Counter()
    # A mail of which nobody knew and that came back later has two lines, and is one failure.
    mails = lost.annotate(count=Count("mail", distinct=True))
    for row in chain(dead.annotate(count=Count("pk")), unsent.annotate(count=Count("pk")), mails):
        counts[row["automation"]] += row["count"]
    problems = dict(TriggerProblem.objects.filter(automation__in=among).values_list("automation", "message"))
    return {pk: Marker(counts[pk], problems.get(pk, "")) for pk in counts.keys() | problems.keys()}


def troubled() -> Q:
    """Runs that failed, and those of which something that was sent failed."""
    return Q(state=State.DEAD) | Exists(_deliveries()) | Exists(_lost_mails().filter(run=OuterRef("pk")))


def is_in(run: Run) -> bool:
    return Run.objects.get_queryset().filter(troubled(), pk=run.pk).exists()


@transaction.atomic
def dismiss(runs: QuerySet[Run], by: str) -> int:
    """Somebody has looked at these and lets them be. Their log stays. Returns how many were in trouble."""
    found = list(runs.filter(troubled()).order_by("pk").values_list("pk", flat=True))
    over: dict[str, Any] = {"step": "", "wake_at": None, "listens": False}
    failed = Run.objects.failed().filter(pk__in=found)
    failed.update(state=State.IGNORED, message=f"Dismissed by {by}."[:500], claim_no=F("claim_no") + 1, **over)
    Delivery.objects.filter(run__in=found, state=State.DEAD).update(state=State.IGNORED, finished_at=Now())
    _lost_mails().filter(run__in=found).update(result=RunStep.Result.NOTE)
    return len(found)


def dismiss_delivery(delivery: Delivery) -> bool:
    """False if it has not failed."""
    failed = Delivery.objects.filter(pk=delivery.pk, state=State.DEAD)
    return bool(failed.update(state=State.IGNORED, finished_at=Now()))


def _deliveries() -> QuerySet[Delivery]:
    return Delivery.objects.filter(run=OuterRef("pk"), state=State.DEAD)


def _lost_mails() -> QuerySet[RunStep]:
    """Lines about mails that failed, or of which nobody knows, and that nobody has sent again."""
    return RunStep.objects.filter(result=RunStep.Result.FAILED, mail__outcome__in=_LOST, mail__resent=None)
