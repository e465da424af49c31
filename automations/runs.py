"""What is done to runs from outside the engine: ended early, tried again, remarked upon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from automations.models import Automation, Run, RunStep
from automations.models.run import OPEN
from common.due import State

LONGEST_BODY = 4000
DOUBLED = "The order turned out to be part of another one, which is in this automation already."


def stop(runs: QuerySet[Run], reason: str) -> int:
    """End these runs early, whatever they wait for. Returns how many were under way.

    A worker that has one in hand finds its claim gone, and puts nothing back.
    """
    over: dict[str, Any] = {"step": "", "wake_at": None, "listens": False, "ended_at": Now()}
    open_runs = runs.filter(state__in=OPEN)
    return open_runs.update(state=State.IGNORED, message=reason[:500], claim_no=F("claim_no") + 1, **over)


def retry(runs: QuerySet[Run]) -> int:
    """A person has failed runs go on at the step that failed. Returns how many had failed.

    None of an archived automation: nobody would see what becomes of them.
    """
    fresh: dict[str, Any] = {"attempts": 0, "claims": 0, "ended_at": None, "wake_at": None}
    cleared = {"message": "", "last_error": "", "last_error_code": ""}
    present = Automation.objects.present().values("pk")
    failed = runs.filter(state=State.DEAD, automation__in=present).exclude(step="")
    return failed.update(state=State.DUE, next_attempt_at=Now(), **fresh, **cleared)


def note(run_id: int, step: str, message: str, *, failed: bool, status: int | None = None, body: str = "") -> None:
    """Write into a run's log what became later of something that one of its steps handed to a queue."""
    RunStep.objects.create(
        run_id=run_id,
        step=step,
        result=RunStep.Result.FAILED if failed else RunStep.Result.NOTE,
        message=message[:500],
        status=status,
        body=body[:LONGEST_BODY],
        started_at=timezone.now(),
    )


def follow_merge(from_id: int, to_id: int, only: list[int] | None) -> list[int]:
    """Runs of a contact that is merged go on with the other one (see `contacts.merging.Move`).

    Where both were in an automation that runs once, the one that came along no longer counts as the once.
    """
    moving = Run.objects.filter(contact=from_id) if only is None else Run.objects.filter(contact=from_id, pk__in=only)
    ids = list(moving.order_by("pk").select_for_update().values_list("pk", flat=True))
    there = Run.objects.filter(contact=to_id, runs_once=True).values("automation")
    Run.objects.filter(pk__in=ids, runs_once=True, automation__in=there).update(runs_once=False)
    Run.objects.filter(pk__in=ids).update(contact=to_id)
    return ids


def follow_order(heirs: Mapping[int, int]) -> None:
    """Runs about orders that turned out to be one go on with the one that stays (see `orders.merging.Follow`).

    What both of them told started two runs: the second one ends, unless it is over. What one of them told twice
    was two things, and keeps both of its runs.
    """
    both = Run.objects.get_queryset().filter(order__in=[*heirs, *heirs.values()])
    found = list(both.order_by("pk").select_for_update(no_key=True))
    told: dict[tuple[Any, ...], int | None] = {}
    for run in sorted(found, key=lambda run: (not run.is_over, run.pk)):
        stays = heirs.get(run.order_id or 0, run.order_id)
        if stays != run.order_id:
            Run.objects.filter(pk=run.pk).update(order_id=stays)
        # Money goes back in parts, each of them told.
        part = run.event.get("refunded") if run.trigger == "order_refunded" else None
        same = (run.automation_id, stays, run.trigger, part)
        if told.setdefault(same, run.order_id) != run.order_id:
            stop(Run.objects.get_queryset().filter(pk=run.pk), DOUBLED)
