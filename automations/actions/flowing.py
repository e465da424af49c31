"""Which way to go."""

from __future__ import annotations

from automations.declarations import Action, Outcome, Step, end, take
from automations.field_parameters import Conditions
from automations.models import Run
from segments import conditions
from segments.compiling import matches


def _if_else(step: Step, run: Run) -> Outcome:
    if matches(conditions.parse(step.parameters["conditions"]), run.contact_id):
        return take("yes", "The contact matches.")
    return take("no", "The contact does not match.")


def _end(_step: Step, _run: Run) -> Outcome:
    return end("Ended by a step.")


ACTIONS = [
    Action(
        key="if_else",
        label="If / else",
        group="Flow",
        description="Goes one of two ways, by conditions on the contact.",
        icon="git-merge",
        perform=_if_else,
        parameters=(Conditions(key="conditions", label="If the contact matches"),),
        branches=(("yes", "Yes"), ("no", "No")),
    ),
    Action(
        key="end",
        label="End here",
        group="Flow",
        description="The contact leaves this automation.",
        icon="square",
        perform=_end,
    ),
]
