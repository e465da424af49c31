"""Runs step on: what is due is claimed, each step is one transaction, what leaves the house is a row of a queue.

A worker that dies in the middle of a step leaves nothing of it behind; the run comes back by its lease.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import Error, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from automations import flow
from automations.declarations import Outcome, Step, action, failed
from automations.models import Automation, AutomationVersion, Run, RunStep
from automations.runs import LONGEST_BODY
from common.due import State
from contacts.merging import hold_merges
from segments import conditions
from segments.compiling import matches
from segments.conditions import Group

logger = logging.getLogger(__name__)
BATCH = 100
DRAIN_SECONDS = 20
# A claim lasts a minute; nobody begins a run of it that late.
CLAIM_SECONDS = 30
_REST = timedelta(seconds=1)
Result = RunStep.Result
_GONE = "The contact was merged into another or is gone."


class Failure(Exception):
    """A step failed: what it wrote is rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Step due runs on until none is due or the time is up. Returns how many steps were worked."""
    ends, steps = time.monotonic() + seconds, 0
    _release_expired()
    while time.monotonic() < ends:
        runs = Run.objects.claim(BATCH)
        if not runs:
            break
        steps += _work(runs, min(ends, time.monotonic() + CLAIM_SECONDS))
    return steps


@dataclass
class _Known:
    """What a batch of runs has in common, read once: versions, and their exit conditions as trees."""

    versions: dict[int, AutomationVersion] = field(default_factory=dict)
    exits: dict[int, Group | None] = field(default_factory=dict)

    def version(self, pk: int) -> AutomationVersion:
        if pk not in self.versions:
            self.versions[pk] = AutomationVersion.objects.select_related("automation").get(pk=pk)
        return self.versions[pk]

    def exit_of(self, version: AutomationVersion) -> Group | None:
        if version.pk not in self.exits:
            tree = version.exit_conditions
            self.exits[version.pk] = conditions.parse(tree) if tree else None
        return self.exits[version.pk]


def _work(runs: list[Run], ends: float) -> int:
    """Each claimed run as far as it goes. What is left when the time is up is given back."""
    known, steps = _Known(), 0
    for place, run in enumerate(runs):
        if time.monotonic() >= ends:
            _give_back(runs[place:])
            break
        while goes_on := advance(run, known):
            steps += 1
            if goes_on is OVER:
                break
    return steps


OVER, ON, NOTHING = "over", "on", ""


def advance(run: Run, known: _Known | None = None) -> str:
    """One step of a claimed run. ON: the claim is kept and the next step may be worked; OVER: the claim has ended
    with this step; NOTHING: the run is not ours any more.
    """
    known = known or _Known()
    started = timezone.now()
    try:
        return _step(run, known, started)
    except Failure as failure:
        return _fail(run, known, failure.outcome, started)
    except OperationalError as error:
        # Locked crosswise, or the database is away: nobody's failure.
        logger.info("A step is put off: %r", error)
        run.later(_REST, code="database")
        return OVER
    except conditions.ConditionError as error:
        return _fail(run, known, failed(str(error), permanent=True), started)
    except Exception as error:
        logger.exception("A step of run %s failed", run.pk)
        return _fail(run, known, failed(f"{type(error).__name__}: {error}"), started)


def _step(run: Run, known: _Known, started: datetime) -> str:
    with transaction.atomic():
        # Everybody in one order: merges, the automation, the run.
        hold_merges()
        is_active = _is_active(run.automation_id)
        mine = _mine(run)
        if mine is None:
            return NOTHING
        version = known.version(mine.version_id)
        mine.automation = version.automation
        if not is_active:
            mine.mark(State.HELD)
            return OVER
        if reason := _leaves(mine, known, version):
            return _end(mine, State.IGNORED, reason, started)
        return _perform(mine, version, started)


def _perform(run: Run, version: AutomationVersion, started: datetime) -> str:
    found = flow.find(version.steps, run.step)
    if found is None:
        return _end(run, State.DONE, "", started)
    step = Step(found["id"], found["action"], found.get("parameters", {}), f"run:{run.pk}:{found['id']}")
    declared = action(step.action)
    if declared is None:
        raise Failure(failed("This action does not exist any more.", permanent=True))
    outcome = declared.perform(step, run)
    match outcome.kind:
        case "failed":
            raise Failure(outcome)
        case "wait":
            return _wait(run, step, outcome, started)
        case "end":
            _log(run, step, Result.ENDED, outcome, started)
            return _end(run, State.DONE, outcome.message, started, logged=True)
        case "branch":
            _log(run, step, Result.BRANCH, outcome, started)
            return _go(run, flow.into(version.steps, step.id, outcome.branch), started)
    _log(run, step, Result.DONE, outcome, started)
    return _go(run, flow.after(version.steps, step.id), started)


def _go(run: Run, step: str, started: datetime) -> str:
    if not step:
        return _end(run, State.DONE, "", started)
    values = {"step": step, "wake_at": None, "listens": False, "attempts": 0, "message": "", "last_error": ""}
    Run.objects.filter(pk=run.pk).update(**values, last_error_code="")
    return ON


def _wait(run: Run, step: Step, outcome: Outcome, started: datetime) -> str:
    if run.wake_at is None or run.message != outcome.message:
        _log(run, step, Result.WAITING, outcome, started)
    Run.objects.filter(pk=run.pk).update(
        state=State.DUE,
        claims=0,
        attempts=0,
        lease_until=None,
        next_attempt_at=outcome.until,
        wake_at=outcome.deadline,
        listens=outcome.listens,
        message=outcome.message[:500],
        last_error="",
        last_error_code="",
    )
    return OVER


def _end(run: Run, state: State, message: str, started: datetime, *, logged: bool = False) -> str:
    if message and not logged:
        RunStep.objects.create(
            run_id=run.pk, step=run.step, result=Result.ENDED, message=message[:500], started_at=started
        )
    Run.objects.filter(pk=run.pk).update(
        state=state,
        claims=0,
        lease_until=None,
        step="",
        wake_at=None,
        listens=False,
        message=message[:500],
        ended_at=Now(),
        last_error="",
        last_error_code="",
    )
    return OVER


def _fail(run: Run, known: _Known, outcome: Outcome, started: datetime) -> str:
    """Log a failure and have the step tried again by schedule; after the last time the run has failed."""
    try:
        with transaction.atomic():
            hold_merges()
            mine = _mine(run)
            if mine is None:
                return NOTHING
            state = mine.failed(
                code=str(outcome.status or "failed"), error=outcome.message, permanent=outcome.permanent
            )
            found = flow.find(known.version(mine.version_id).steps, mine.step) or {"id": mine.step, "action": ""}
            step = Step(found["id"], found["action"], {}, "")
            _log(mine, step, Result.FAILED if state is State.DEAD else Result.RETRY, outcome, started)
            over = {"ended_at": Now(), "listens": False} if state is State.DEAD else {}
            Run.objects.filter(pk=mine.pk).update(message=outcome.message[:500], **over)
    except Error as error:
        logger.warning("A failure of run %s could not be written; its lease brings it back: %r", run.pk, error)
    return OVER


def _is_active(automation_id: int) -> bool:
    """Whether the automation runs; it stays so until the transaction ends, as pausing waits."""
    with connection.cursor() as cursor:
        cursor.execute("select state from automations_automation where id = %s for share", [automation_id])
        row = cursor.fetchone()
    return bool(row and row[0] == Automation.State.ACTIVE)


def _mine(run: Run) -> Run | None:
    """The run as it is now, locked, if the claim is still ours."""
    return (
        Run.objects.select_related("contact")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=run.pk, claim_no=run.claim_no, state=State.RUNNING)
        .first()
    )


def _leaves(run: Run, known: _Known, version: AutomationVersion) -> str:
    """Why the run ends before this step; "" if it goes on."""
    if run.contact.merged_into_id:
        return _GONE
    if run.order_id is None and run.trigger.startswith("order_"):
        return "The order turned out to be part of another one."
    group = known.exit_of(version)
    return "Matched the conditions to leave." if group and matches(group, run.contact_id) else ""


def _log(run: Run, step: Step, result: Result, outcome: Outcome, started: datetime) -> None:
    RunStep.objects.create(
        run_id=run.pk,
        step=step.id,
        action=step.action,
        result=result,
        message=outcome.message[:500],
        branch=outcome.branch,
        status=outcome.status,
        body=outcome.body[:LONGEST_BODY],
        started_at=started,
    )


def _give_back(runs: list[Run]) -> None:
    for run in runs:
        run.later(timedelta(0))


def _release_expired() -> None:
    for pk in Run.objects.release_expired():
        run = Run.objects.get(pk=pk)
        RunStep.objects.create(
            run=run, step=run.step, result=Result.FAILED, message=run.last_error, started_at=timezone.now()
        )
        Run.objects.filter(pk=pk).update(ended_at=Now(), listens=False, message=run.last_error)
