"""Runs step on: what is due is claimed, and what a step writes is committed together with its log and the run's place.

Runs go in company: a transaction takes a number of them as far as they go, which costs a third of one each. When one of
its steps fails, nothing of it is kept and its runs go again alone, a transaction a step. A worker that dies leaves
nothing behind; its runs come back by their lease. What leaves the house is a row of a queue with a key of its own.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.db import Error, OperationalError, connection, transaction
from django.utils import timezone

from automations import flow
from automations.declarations import Outcome, Step, action, failed
from automations.models import Automation, AutomationVersion, Run, RunStep
from automations.runs import LONGEST_BODY
from common import rows
from common.due import State
from contacts.merging import hold_merges
from segments import conditions
from segments.compiling import matches
from segments.conditions import Group

logger = logging.getLogger(__name__)
BATCH = 100
COMPANY = 25
DRAIN_SECONDS = 20
# A claim lasts a minute; nobody begins a run of it that late.
CLAIM_SECONDS = 30
_REST = timedelta(seconds=1)
_WRITTEN = (
    *("state", "claims", "attempts", "lease_until", "next_attempt_at", "last_error_code", "last_error"),
    *("step", "wake_at", "listens", "message", "ended_at"),
)
Result = RunStep.Result


class Failure(Exception):
    """A step failed: what its transaction wrote is rolled back."""

    def __init__(self, run: Run, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.run, self.outcome = run, outcome


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Step due runs on until none is due or the time is up. Returns how many runs were taken in hand."""
    ends, worked = time.monotonic() + seconds, 0
    _release_expired()
    while time.monotonic() < ends:
        runs = Run.objects.claim(BATCH)
        if not runs:
            break
        work(runs, min(ends, time.monotonic() + CLAIM_SECONDS))
        worked += len(runs)
    return worked


def work(runs: list[Run], ends: float | None = None) -> None:
    """Take claimed runs as far as they go. What is left when the time is up is given back."""
    known, companies = _Known(), _companies(runs)
    for place, company in enumerate(companies):
        if ends is not None and time.monotonic() >= ends:
            for run in chain.from_iterable(companies[place:]):
                run.later(timedelta(0))
            return
        # One that lost a worker goes alone from the start.
        if len(company) == 1 or company[0].claims > 1 or not _in_company(company, known):
            for run in company:
                while _alone(run, known):
                    pass


def _companies(runs: list[Run]) -> list[list[Run]]:
    """Each contact once in a company: what is in hand would not see that another run of its contact has ended it."""
    companies: list[dict[int, Run]] = [{}]
    for run in runs:
        fitting = (one for one in companies if len(one) < COMPANY and run.contact_id not in one)
        company = next(fitting, None)
        if company is None:
            companies.append(company := {})
        company[run.contact_id] = run
    return [list(company.values()) for company in companies]


class _Doubled(Exception):
    """Two contacts of a company were merged after it was made up."""


@dataclass
class _Known:
    """What runs have in common, read once a batch: versions, and their exit conditions as trees."""

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


@dataclass
class _Hand:
    """The runs a transaction holds, and what it writes at its end. `now` is the database's."""

    runs: list[Run]
    active: set[int]
    now: datetime
    log: list[RunStep] = field(default_factory=list)

    def write(self) -> None:
        rows.insert(self.log)
        rows.update(self.runs, _WRITTEN)


def _in_company(runs: list[Run], known: _Known) -> bool:
    """All of them as far as they go, in one transaction. False when one of them kept the others from it."""
    try:
        with transaction.atomic():
            hand = _take(runs)
            if len({run.contact_id for run in hand.runs}) < len(hand.runs):
                raise _Doubled
            for run in hand.runs:
                while _step(run, known, hand):
                    pass
            hand.write()
    except Exception as error:
        logger.info("Runs go on alone: %r", error)
        return False
    return True


def _alone(run: Run, known: _Known) -> bool:
    """One step of a claimed run. Whether it goes on at once."""
    started = timezone.now()
    try:
        with transaction.atomic():
            hand = _take([run])
            goes_on = any(_step(one, known, hand) for one in hand.runs)
            hand.write()
        return goes_on
    except Failure as failure:
        outcome = failure.outcome
    except OperationalError as error:
        # Locked crosswise, or the database is away: nobody's failure.
        logger.info("A step is put off: %r", error)
        run.later(_REST, code="database")
        return False
    except conditions.ConditionError as error:
        outcome = failed(f"The conditions of this step cannot be read. {error}", permanent=True)
    except Exception as error:
        logger.exception("A step of run %s failed", run.pk)
        outcome = failed(f"{type(error).__name__}: {error}")
    _fail(run, known, outcome, started)
    return False


def _take(runs: list[Run]) -> _Hand:
    """Lock what is still ours, everybody in one order: merges, automations, runs. Pausing and merging wait for us."""
    hold_merges()
    with connection.cursor() as cursor:
        cursor.execute(_AUTOMATIONS, [sorted({run.automation_id for run in runs})])
        states = cursor.fetchall()
        cursor.execute("select statement_timestamp()")
        (now,) = cursor.fetchone()
    claims = [[run.pk for run in runs], [run.claim_no for run in runs]]
    mine = Run.objects.raw(_MINE, claims)
    return _Hand(list(mine), {pk for pk, state in states if state == Automation.State.ACTIVE}, now)


_AUTOMATIONS = "select id, state from automations_automation where id = any(%s) order by id for share"
_MINE = """
    select run.* from unnest(%s::int8[], %s::int4[]) as claim(id, number)
    join automations_run as run on run.id = claim.id and run.claim_no = claim.number
    where run.state = 'running' order by run.id for no key update of run
"""


def _step(run: Run, known: _Known, hand: _Hand) -> bool:
    """Work the step a run stands at; changes the objects in hand. Whether the next one follows at once."""
    if run.automation_id not in hand.active:
        _rest(run, State.HELD)
        return False
    version = known.version(run.version_id)
    run.automation = version.automation
    found = flow.find(version.steps, run.step)
    if found is None:
        return _end(run, hand, State.DONE, "")
    if reason := _leaves(run, known, version):
        hand.log.append(_line(run, Step(run.step, "", {}, ""), Result.ENDED, Outcome("end", reason)))
        return _end(run, hand, State.IGNORED, reason)
    step = Step(found["id"], found["action"], found.get("parameters", {}), f"run:{run.pk}:{found['id']}")
    declared = action(step.action)
    if declared is None:
        raise Failure(run, failed("This action does not exist any more.", permanent=True))
    return _follow(run, step, declared.perform(step, run), version, hand)


def _follow(run: Run, step: Step, outcome: Outcome, version: AutomationVersion, hand: _Hand) -> bool:
    match outcome.kind:
        case "failed":
            raise Failure(run, outcome)
        case "wait":
            if run.wake_at is None or run.message != outcome.message[:500]:
                hand.log.append(_line(run, step, Result.WAITING, outcome))
            _rest(run, State.DUE, outcome.message)
            run.next_attempt_at = outcome.until or hand.now
            run.wake_at, run.listens = outcome.deadline, outcome.listens
            return False
        case "end":
            hand.log.append(_line(run, step, Result.ENDED, outcome))
            return _end(run, hand, State.DONE, outcome.message)
        case "branch":
            hand.log.append(_line(run, step, Result.BRANCH, outcome))
            run.step = flow.into(version.steps, step.id, outcome.branch)
        case _:
            hand.log.append(_line(run, step, Result.DONE, outcome))
            run.step = flow.after(version.steps, step.id)
    if not run.step:
        return _end(run, hand, State.DONE, "")
    run.wake_at, run.listens, run.attempts = None, False, 0
    run.message = run.last_error = run.last_error_code = ""
    return True


def _rest(run: Run, state: State, message: str = "") -> None:
    """The claim ends cleanly."""
    run.state, run.claims, run.attempts, run.lease_until = state, 0, 0, None
    run.message, run.last_error, run.last_error_code = message[:500], "", ""


def _end(run: Run, hand: _Hand, state: State, message: str) -> bool:
    _rest(run, state, message)
    run.step, run.wake_at, run.listens, run.ended_at = "", None, False, hand.now
    return False


def _fail(run: Run, known: _Known, outcome: Outcome, started: datetime) -> None:
    """Log a failure and have the step tried again by schedule; after the last time the run has failed."""
    try:
        with transaction.atomic():
            hand = _take([run])
            for mine in hand.runs:
                state = mine.failed(
                    code=str(outcome.status or "failed"), error=outcome.message, permanent=outcome.permanent
                )
                found = flow.find(known.version(mine.version_id).steps, mine.step) or {"id": mine.step, "action": ""}
                step = Step(found["id"], found["action"], {}, "")
                is_over = state is State.DEAD
                _line(mine, step, Result.FAILED if is_over else Result.RETRY, outcome, started).save()
                over: dict[str, Any] = {"ended_at": hand.now, "listens": False} if is_over else {}
                Run.objects.filter(pk=mine.pk).update(message=outcome.message[:500], **over)
    except Error as error:
        logger.warning("A failure of run %s could not be written; its lease brings it back: %r", run.pk, error)


def _leaves(run: Run, known: _Known, version: AutomationVersion) -> str:
    """Why the run ends before this step; "" if it goes on."""
    if run.order_id is None and run.trigger.startswith("order_"):
        return "The order is not there any more."
    group = known.exit_of(version)
    return "Matched the conditions to leave." if group and matches(group, run.contact_id) else ""


def _line(run: Run, step: Step, result: Result, outcome: Outcome, started: datetime | None = None) -> RunStep:
    now = timezone.now()
    return RunStep(
        run_id=run.pk,
        step=step.id,
        action=step.action,
        result=result,
        message=outcome.message[:500],
        branch=outcome.branch,
        status=outcome.status,
        body=outcome.body[:LONGEST_BODY],
        started_at=started or now,
        finished_at=now,
    )


@transaction.atomic
def _release_expired() -> None:
    for pk in Run.objects.release_expired():
        run = Run.objects.get(pk=pk)
        _line(run, Step(run.step, "", {}, ""), Result.FAILED, Outcome("failed", run.last_error)).save()
        Run.objects.filter(pk=pk).update(ended_at=timezone.now(), listens=False, message=run.last_error)
