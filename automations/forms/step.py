"""The form of a step: the parameters its action declares."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from automations import checking
from automations.declarations import Action
from automations.forms.parameters import DeclaredForm, ParameterForm


class StepForm(DeclaredForm):
    """`brought` is what the automation's triggers bring; what the step may not use is refused beside its field."""

    def __init__(
        self,
        declared: Action,
        brought: frozenset[str],
        data: QueryDict | None = None,
        stored: dict[str, Any] | None = None,
        url: str = "",
    ) -> None:
        self.declared, self.brought = declared, brought
        super().__init__(ParameterForm(declared.parameters, data, stored, url))

    def is_valid(self) -> bool:
        if not self.drawn.is_valid():
            return False
        step = {"id": "", "action": self.declared.key, "parameters": self.drawn.values}
        only = self.declared.parameters[0].key if len(self.declared.parameters) == 1 else ""
        for problem in checking.problems_of_step(step, self.brought):
            if problem.message == self.declared.unavailable():
                continue
            # A remark about a step with one field is one about that field.
            if not self.drawn.add_problem(problem.parameter or only, problem.message):
                self.problems.append(problem.message)
        return not self.problems and not self.drawn.errors

    @property
    def values(self) -> dict[str, Any]:
        return self.drawn.values
