"""Failures are told: gathered for a minute, then one mail an automation and hour, with their number and the first ones.

Whatever writes a failed line into the log of a run has done its part; who reacts pulls (`RunStep.told_at`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import NoReverseMatch

from automations import checking, notices
from automations.declarations import action
from automations.models import Automation, FailureRecipient, FailureReport, RunStep, TriggerProblem
from common import once
from common.due import State
from users.models import User

GATHER, PAUSE = timedelta(minutes=1), timedelta(hours=1)
SHOWN = 5
DRAIN_SECONDS = 20
# A report that is due already stays so; one that was sent is due again an hour later.
_WISH = """
insert into automations_failurereport (automation_id, state, claim_no, claims, attempts, next_attempt_at, number,
    last_error_code, last_error)
select unnest(%s::bigint[]), 'due', 0, 0, 0, now() + make_interval(secs => %s), 0, '', ''
on conflict (automation_id) do update set state = 'due',
    next_attempt_at = greatest(now() + make_interval(secs => %s),
        automations_failurereport.told_at + make_interval(secs => %s))
where automations_failurereport.state not in ('due', 'running')"""


def untold() -> QuerySet[RunStep]:
    return RunStep.objects.filter(result=RunStep.Result.FAILED, told_at=None)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Look at triggers and at what failed, and queue the mails that are due. Returns how many reports were worked."""
    ends, worked = time.monotonic() + seconds, 0
    look_at_triggers()
    _wish()
    FailureReport.objects.release_expired()
    while time.monotonic() < ends and (claimed := FailureReport.objects.claim(1)):
        _report(claimed[0])
        worked += 1
    return worked


def look_at_triggers() -> None:
    """Note what keeps triggers of active automations from starting them; forget what does not any more."""
    found: dict[int, set[str]] = {}
    with once.a_page():
        for automation in Automation.objects.active().select_related("current"):
            triggers = automation.current.triggers if automation.current else []
            wrong = {problem.message[:500] for one in triggers for problem in checking.problems_of_trigger(one)}
            if wrong:
                found[automation.pk] = wrong
    for problem in TriggerProblem.objects.all():
        if problem.message not in found.get(problem.automation_id, ()):
            problem.delete()
    rows = [TriggerProblem(automation_id=pk, message=text) for pk, texts in found.items() for text in texts]
    TriggerProblem.objects.bulk_create(rows, ignore_conflicts=True)


def recipients(automation: Automation) -> list[User]:
    """Who wants to know of this one, or of every one."""
    wished = FailureRecipient.objects.filter(Q(automation=automation) | Q(automation=None))
    return list(User.objects.active().filter(pk__in=wished.values("user")))


@transaction.atomic
def choose(automation: Automation | None, users: Iterable[User]) -> None:
    """From now on these, and nobody else, are told of the automation; of every automation for None."""
    with connection.cursor() as cursor:
        # Two who choose at the same time would otherwise both insert after both deletions.
        cursor.execute(_ALONE)
    FailureRecipient.objects.filter(automation=automation).delete()
    FailureRecipient.objects.bulk_create([FailureRecipient(automation=automation, user=user) for user in users])


_ALONE = "lock table automations_failurerecipient in share row exclusive mode"


def page_of(automation: Automation) -> str:
    """Its address; "" where no page is behind it."""
    try:
        return automation.get_absolute_url()
    except NoReverseMatch:
        return ""


def _wish() -> None:
    failed = set(untold().values_list("run__automation", flat=True).distinct())
    failed |= set(TriggerProblem.objects.filter(told_at=None).values_list("automation", flat=True))
    if failed:
        gather, pause = GATHER.total_seconds(), PAUSE.total_seconds()
        with connection.cursor() as cursor:
            cursor.execute(_WISH, [sorted(failed), gather, gather, pause])


@transaction.atomic
def _report(report: FailureReport) -> None:
    """Queue the mails and note that all of it was told, together."""
    mine = FailureReport.objects.filter(pk=report.pk, claim_no=report.claim_no, state=State.RUNNING)
    if not mine.select_for_update().exists():
        return
    automation = report.automation
    rows = untold().filter(run__automation=automation).order_by("pk").select_for_update(of=("self",))
    steps = list(rows.select_related("run__contact"))
    wrong = list(TriggerProblem.objects.filter(automation=automation, told_at=None).select_for_update())
    if steps or wrong:
        text = _text(steps, wrong, _skipped(automation, report.told_at))
        for user in recipients(automation):
            key = f"failures:{automation.pk}:{report.number + 1}:{user.pk}"
            subject = _subject(automation, len(steps))
            notices.queue(user, subject, text, key=key, url=page_of(automation))
    RunStep.objects.filter(pk__in=[step.pk for step in steps]).update(told_at=Now())
    TriggerProblem.objects.filter(pk__in=[one.pk for one in wrong]).update(told_at=Now())
    mine.update(state=State.DONE, claims=0, lease_until=None, number=report.number + 1, told_at=Now())


def _skipped(automation: Automation, since: datetime | None) -> int:
    """Mails to who wants none, since the last report. As nothing is broken they are mentioned, no more."""
    skipped = RunStep.objects.filter(run__automation=automation, result=RunStep.Result.SKIPPED)
    return (skipped.filter(finished_at__gt=since) if since else skipped).count()


def _subject(automation: Automation, failed: int) -> str:
    if not failed:
        return f"Automation “{automation}” cannot start"
    return f"Automation “{automation}”: {failed} {'failure' if failed == 1 else 'failures'}"


def _text(steps: list[RunStep], wrong: list[TriggerProblem], skipped: int) -> str:
    lines = [f"A trigger cannot start it: {one.message}" for one in wrong]
    if steps:
        lines += ["", "What failed first:"] if len(steps) > SHOWN else ["", "What failed:"]
        lines += [_line(step) for step in steps[:SHOWN]]
    if (more := len(steps) - SHOWN) > 0:
        lines.append(f"- and {more} more")
    if skipped:
        lines += ["", f"Not sent, as the contact wants no mails or they come back: {skipped}"]
    lines += ["", "Failures of the next hour come in one mail."]
    return "\n".join(lines).strip()


def _line(step: RunStep) -> str:
    declared = action(step.action)
    where = f", {declared.label}" if declared else ""
    status = f" ({step.status})" if step.status else ""
    return f"- {step.finished_at:%Y-%m-%d %H:%M} UTC, {step.run.contact}{where}{status}: {step.message}"
