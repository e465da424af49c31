"""The form of a trigger: its parameters, how often it starts for a contact, and for which contacts."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from automations import checking
from automations.declarations import Trigger
from automations.field_parameters import Conditions
from automations.forms.parameters import DeclaredForm, ParameterForm
from automations.parameters import Choice, Parameter

RUNS, CONDITIONS = "runs", "conditions"


def _runs() -> list[tuple[str, str]]:
    return [("every_time", "Every time"), ("once", "Once for each contact")]


_ONCE = Choice(key=RUNS, label="Runs", offered=_runs, default="every_time")
_ABOUT = Conditions(
    key=CONDITIONS,
    label="Only contacts who match",
    help="Looked at when the trigger starts. Without conditions everybody enters.",
    required=False,
)


class TriggerForm(DeclaredForm):
    """`stored` is the trigger as it stands in the automation's JSON, and afterwards as it should stand there."""

    def __init__(
        self, declared: Trigger, data: QueryDict | None = None, stored: dict[str, Any] | None = None, url: str = ""
    ) -> None:
        self.declared = declared
        stored = stored or {}
        initial = dict(stored.get("parameters", {}))
        initial |= {RUNS: "once" if stored.get("once") else "every_time", CONDITIONS: stored.get("conditions")}
        super().__init__(ParameterForm(_parameters(declared), data, initial, url))

    def is_valid(self) -> bool:
        if not self.drawn.is_valid():
            return False
        for problem in checking.problems_of_trigger(self.stored):
            # An automation may be drawn up before its account is connected.
            if problem.message != self.declared.unavailable() and not self.drawn.add_problem(
                problem.parameter, problem.message
            ):
                self.problems.append(problem.message)
        return not self.problems and not self.drawn.errors

    @property
    def stored(self) -> dict[str, Any]:
        values = dict(self.drawn.values)
        once, conditions = values.pop(RUNS, "every_time"), values.pop(CONDITIONS, None)
        return {"key": self.declared.key, "parameters": values, "once": once == "once", "conditions": conditions}


def _parameters(declared: Trigger) -> tuple[Parameter, ...]:
    return (*declared.parameters, _ONCE, *((_ABOUT,) if declared.offers_conditions else ()))
