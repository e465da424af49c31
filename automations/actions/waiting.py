"""Waits. A wait is a column of the run, so there is nothing to lose."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.utils import timezone

from automations.dating import moment_of
from automations.declarations import Action, Json, Outcome, Step, end, go_on, wait
from automations.field_parameters import Conditions, DateField
from automations.models import Run
from automations.parameters import Choice, Duration, Number, as_timedelta
from automations.wording import day
from common.due import database_now
from common.formats import day_text
from segments import conditions
from segments.compiling import matches
from segments.words import describe

# Whatever happens to the contact wakes a run that waits for conditions; only time passing does not tell of itself.
LOOK_AGAIN = timedelta(minutes=15)


def _duration(step: Step, run: Run) -> Outcome:
    if run.wake_at and run.wake_at <= database_now():
        return go_on("The wait is over.")
    lasts = step.parameters["duration"]
    until = run.wake_at or database_now() + as_timedelta(lasts)
    return wait(until, f"Waits {_DURATION.words(lasts)}.")


def _until_date(step: Step, run: Run) -> Outcome:
    """The date is read again each time, as it may move while the run waits."""
    value = _value(step.parameters["field"], run)
    if value is None:
        return go_on("The date is empty, so there is nothing to wait for.")
    days = int(step.parameters.get("days") or 0)
    shift = timedelta(days=-days if step.parameters.get("when") == "before" else days)
    until = moment_of(value) + shift
    if until <= database_now():
        return go_on("The date has come.")
    soon = min(until, database_now() + timedelta(hours=1))
    return wait(soon, f"Waits until {day_text(timezone.localtime(until))}.", deadline=until, listens=True)


def _value(field: str, run: Run) -> date | datetime | None:
    name, _, key = field.partition(".")
    if name == "recurring_payment":
        found: date | datetime | None = getattr(run.recurring_payment, key, None)
        return found
    text = run.contact.value(key)
    if not text:
        return None
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)


def _until_condition(step: Step, run: Run) -> Outcome:
    group = conditions.parse(step.parameters["conditions"])
    if matches(group, run.contact_id):
        return go_on("The contact matches now.")
    now = database_now()
    deadline = run.wake_at or now + as_timedelta(step.parameters["at_most"])
    if deadline <= now:
        if step.parameters.get("otherwise") == "end":
            return end("The contact did not come to match in time.")
        return go_on("The time is up; the contact does not match.")
    words = f"Waits until the contact matches, at most {_DURATION.words(step.parameters['at_most'])}."
    return wait(min(deadline, now + LOOK_AGAIN), words, deadline=deadline, listens=True)


def _before_or_after() -> list[tuple[str, str]]:
    return [("before", "days before"), ("after", "days after")]


def _otherwise() -> list[tuple[str, str]]:
    return [("go_on", "Go on"), ("end", "End here")]


def _date_in_words(given: Json) -> str:
    said = day(given, {"contact": "the contact", "recurring_payment": "the recurring payment"})
    return said[:1].upper() + said[1:]


def _conditions_in_words(given: Json) -> str:
    asked = describe(conditions.parse(given["conditions"]))
    then = "ends here" if given.get("otherwise") == "end" else "goes on"
    return f"{asked}. After {_DURATION.words(given['at_most'])} it {then} in any case."


_DURATION = Duration(key="duration", label="How long")
ACTIONS = [
    Action(
        key="wait",
        label="Wait",
        group="Flow",
        description="Waits for minutes, hours or days.",
        icon="clock",
        perform=_duration,
        parameters=(_DURATION,),
        words=lambda parameters: f"Wait {_DURATION.words(parameters.get('duration'))}".strip(),
    ),
    Action(
        key="wait_until_date",
        label="Wait until a date",
        group="Flow",
        description="Waits until a date of the contact or of its recurring payment, or some days before or after it.",
        icon="calendar",
        perform=_until_date,
        parameters=(
            DateField(key="field", label="Date"),
            Number(key="days", label="Days", default=0, most=3650),
            Choice(key="when", label="Before or after", offered=_before_or_after, default="before"),
        ),
        in_words=_date_in_words,
    ),
    Action(
        key="wait_until",
        label="Wait until conditions are met",
        group="Flow",
        description="Waits until the contact matches, and goes on after a while in any case.",
        icon="circle-question-mark",
        perform=_until_condition,
        parameters=(
            Conditions(key="conditions", label="Until the contact matches"),
            Duration(key="at_most", label="At most", default={"amount": 7, "unit": "days"}),
            Choice(key="otherwise", label="When that time is up", offered=_otherwise, default="go_on"),
        ),
        in_words=_conditions_in_words,
    ),
]
