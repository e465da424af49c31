"""What is wrong with a draft, in words, before anybody is sent through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automations import flow
from automations.declarations import Trigger, action, clean, trigger
from automations.field_parameters import Conditions, DateField, FieldValue, Mapping
from automations.models import Automation
from automations.triggers import comparing
from common.fields import catalogue

_EXITS = Conditions(key="exit_conditions", label="Leave when", required=False)
_ABOUT = Conditions(key="conditions", label="Only contacts who", required=False)
NEEDS_RECURRING_PAYMENT = (
    "A value of the recurring payment is used here, so each trigger must be one of a recurring payment."
)
MOST_STEPS = 200


@dataclass(frozen=True)
class Problem:
    """`place`: "triggers", "triggers.0", "exit_conditions", "steps" or a step's id; `parameter`: which, if one."""

    place: str
    message: str
    parameter: str = ""

    def __str__(self) -> str:
        return self.message


def problems(automation: Automation) -> list[Problem]:
    """Why the draft cannot be activated. Empty when it can."""
    found = [*_of_triggers(automation.triggers), *_of_steps(automation)]
    if wrong := _wrong(_EXITS, automation.exit_conditions):
        found.append(Problem("exit_conditions", wrong))
    return found


def brings(triggers: list[dict[str, Any]]) -> frozenset[str]:
    """What steps may use: what every one of the triggers brings."""
    declared = [found for one in triggers if (found := trigger(one["key"]))]
    if not declared:
        return frozenset({"contact"})
    return frozenset.intersection(*(frozenset(one.brings) for one in declared))


def problems_of_step(step: flow.Step, brought: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with one step where the triggers bring this much."""
    declared = action(step["action"])
    if declared is None:
        yield Problem(step["id"], "This action does not exist any more. Remove the step.")
        return
    if reason := declared.unavailable():
        yield Problem(step["id"], reason)
    values, errors = clean(declared.parameters, step.get("parameters", {}))
    for key, message in errors.items():
        yield Problem(step["id"], message, key)
    for parameter in declared.parameters:
        value = values.get(parameter.key)
        reads_other = isinstance(parameter, DateField | Mapping) and "recurring_payment." in str(value or "")
        if reads_other and "recurring_payment" not in brought:
            yield Problem(step["id"], NEEDS_RECURRING_PAYMENT, parameter.key)
    if not errors:
        for message in declared.problems(values, brought):
            yield Problem(step["id"], message)


def problems_of_trigger(one: dict[str, Any], place: str = "triggers") -> Iterator[Problem]:
    declared = trigger(one["key"])
    if declared is None:
        yield Problem(place, "This trigger does not exist any more. Remove it.")
        return
    yield from _of_declared(declared, one, place)


def _of_declared(declared: Trigger, one: dict[str, Any], place: str) -> Iterator[Problem]:
    if reason := declared.unavailable():
        yield Problem(place, reason)
    values, errors = clean(declared.parameters, one.get("parameters", {}))
    for key, message in errors.items():
        yield Problem(place, message, key)
    for key, message in _unfit(declared, values):
        yield Problem(place, message, key)
    if wrong := _wrong(_ABOUT, one.get("conditions")):
        yield Problem(place, wrong, "conditions")
    if not errors:
        for message in declared.problems(values):
            yield Problem(place, message)


def _unfit(declared: Trigger, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(parameter, what is wrong) of values that the chosen field can never have."""
    for parameter in declared.parameters:
        value = values.get(parameter.key)
        if isinstance(parameter, FieldValue) and value is not None:
            try:
                comparing.read(value, catalogue(parameter.catalogue).get(values.get(parameter.of) or ""))
            except ValueError as error:
                yield parameter.key, str(error)


def _of_triggers(triggers: list[dict[str, Any]]) -> Iterator[Problem]:
    if not triggers:
        yield Problem("triggers", "Choose what starts this automation.")
    for place, one in enumerate(triggers):
        yield from problems_of_trigger(one, f"triggers.{place}")


def _of_steps(automation: Automation) -> Iterator[Problem]:
    steps = list(flow.walk(automation.steps))
    if not steps:
        yield Problem("steps", "Add at least one step.")
    if len(steps) > MOST_STEPS:
        yield Problem("steps", f"At most {MOST_STEPS} steps.")
    brought = brings(automation.triggers)
    for step in steps:
        yield from problems_of_step(step, brought)


def _wrong(parameter: Conditions, value: Any) -> str:
    try:
        parameter.clean(value)
    except ValueError as error:
        return str(error)
    return ""
