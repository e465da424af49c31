"""What people do to an automation as a whole: make, change, activate, pause, resume, archive."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from automations import checking, flow, runs
from automations.declarations import trigger
from automations.models import Automation, AutomationVersion, DateWatch, Run
from common.due import State
from users.models import User


class ChangedMeanwhile(Exception):
    """Somebody else saved the draft after it was opened."""


class IsArchived(Exception):
    """It is out of use until somebody restores it."""


class NotReady(Exception):
    """It cannot be activated; `problems` says why, in words."""

    def __init__(self, problems: list[checking.Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def create(name: str, by: User | None, **values: Any) -> Automation:
    values["triggers"] = flow.with_ids(values.get("triggers", []))
    return Automation.objects.create(name=name[:150], created_by=by, **values)


@transaction.atomic
def save_draft(automation_id: int, revision: int, **values: Any) -> Automation:
    """Write parts of the draft: triggers, steps, exit_conditions, name, description, is_test. ChangedMeanwhile."""
    automation = Automation.objects.select_for_update(no_key=True).get(pk=automation_id)
    if automation.revision != revision:
        raise ChangedMeanwhile
    if "triggers" in values:
        values["triggers"] = flow.with_ids(values["triggers"])
    for name, value in values.items():
        setattr(automation, name, value)
    automation.revision += 1
    automation.save()
    return automation


@transaction.atomic
def activate(automation_id: int, by: User | None, revision: int | None = None) -> AutomationVersion:
    """Make the draft a version and let it run. The same draft again makes no second version.

    NotReady, IsArchived; ChangedMeanwhile if the draft is no longer the revision that somebody looked at.
    """
    automation = Automation.objects.select_for_update(no_key=True).get(pk=automation_id)
    if automation.state == Automation.State.ARCHIVED:
        raise IsArchived
    if revision is not None and automation.revision != revision:
        raise ChangedMeanwhile
    if problems := checking.problems(automation):
        raise NotReady(problems)
    reached = _reached(automation)
    if automation.has_changes:
        last = automation.versions.aggregate(last=Max("number"))["last"] or 0
        automation.current = AutomationVersion.objects.create(
            automation=automation,
            number=last + 1,
            triggers=automation.triggers,
            steps=automation.steps,
            exit_conditions=automation.exit_conditions,
            created_by=by,
        )
        # What was looked through for other triggers means nothing for these.
        automation.watches.all().delete()
    was_active = automation.is_active
    automation.state = Automation.State.ACTIVE
    automation.save()
    _watch_dates(automation, afresh=not was_active, reached=reached)
    _release(automation)
    assert automation.current  # noqa: S101  made above, if it was not there
    return automation.current


@transaction.atomic
def pause(automation_id: int) -> None:
    """Nobody enters and nobody steps on until it is activated or resumed. Waits for steps under way."""
    automation = Automation.objects.select_for_update(no_key=True).get(pk=automation_id)
    if automation.state == Automation.State.ACTIVE:
        _stop(automation, Automation.State.PAUSED)
        Run.objects.filter(automation=automation, state=State.DUE).update(state=State.HELD)


@transaction.atomic
def resume(automation_id: int) -> None:
    """Go on with the version that ran; changes of the draft stay a draft."""
    automation = Automation.objects.select_for_update(no_key=True).get(pk=automation_id)
    if automation.state == Automation.State.PAUSED and automation.current:
        automation.state = Automation.State.ACTIVE
        automation.save(update_fields=["state", "updated_at"])
        _watch_dates(automation, afresh=True)
        _release(automation)


@transaction.atomic
def archive(automation_id: int) -> None:
    """Out of sight, its runs ended; what happened stays to be read."""
    automation = Automation.objects.select_for_update(no_key=True).get(pk=automation_id)
    _stop(automation, Automation.State.ARCHIVED)
    runs.stop(Run.objects.get_queryset().filter(automation=automation), "The automation was archived.")


@transaction.atomic
def restore(automation_id: int) -> None:
    Automation.objects.filter(pk=automation_id, state=Automation.State.ARCHIVED).update(state=Automation.State.DRAFT)


def copy(automation: Automation, by: User | None) -> Automation:
    """A draft of its own with the same flow."""
    return create(
        f"{automation.name} (copy)"[:150],
        by,
        description=automation.description,
        is_test=automation.is_test,
        triggers=automation.triggers,
        steps=automation.steps,
        exit_conditions=automation.exit_conditions,
    )


def _stop(automation: Automation, state: Automation.State) -> None:
    automation.state = state
    automation.save(update_fields=["state", "updated_at"])
    automation.watches.all().delete()


def _release(automation: Automation) -> None:
    """Waits that ended meanwhile are over at once."""
    Run.objects.filter(automation=automation, state=State.HELD).update(state=State.DUE)


def _reached(automation: Automation) -> dict[str, datetime]:
    """How far the dated triggers that run were looked through, by what they look for."""
    triggers = automation.current.triggers if automation.current else []
    found: dict[str, datetime] = {}
    for watch in automation.watches.all():
        if watch.position < len(triggers):
            key = _looks_for(triggers[watch.position])
            found[key] = min(found.get(key, watch.reached), watch.reached)
    return found


def _looks_for(one: dict[str, Any]) -> str:
    return json.dumps([one["key"], one.get("parameters")], sort_keys=True)


def _watch_dates(automation: Automation, *, afresh: bool, reached: dict[str, datetime] | None = None) -> None:
    """Dated triggers look from now on: what came due before, or during a pause, is skipped. One that ran already goes
    on where it was (`reached`): a new version must not lose the dates since its last look.
    """
    if afresh:
        automation.watches.all().delete()
    assert automation.current  # noqa: S101  only automations with a version are active
    for position, one in enumerate(automation.current.triggers):
        declared = trigger(one["key"])
        if declared and declared.is_dated:
            since = None if afresh else (reached or {}).get(_looks_for(one))
            values = {"reached": since or Now()}
            DateWatch.objects.get_or_create(automation=automation, position=position, defaults=values)
