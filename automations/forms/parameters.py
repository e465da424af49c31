"""The form of a trigger or an action, drawn from the parameters it declares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.forms.utils import ErrorDict
from django.http import QueryDict

from automations.field_parameters import CatalogueField, Conditions, FieldValue, Mapping
from automations.forms.fields import ParameterField, field_of_catalogue
from automations.forms.mapping import MappingRows
from automations.parameters import Campaign, Parameter
from segments.builder import Builder
from segments.conditions import ConditionError, Group, as_json, parse_loosely

# A part that is asked for only when another one has this answer.
_ONLY_WHEN = {"segment": ("which", "segment")}
# Buttons that change the form instead of sending it.
_CHANGES = ("refresh", "mapping-add", "mapping-remove")
# The answer of such a select decides what else the form asks for.
_REDRAW = {
    "hx-trigger": "change",
    "hx-target": "#sheet-form",
    "hx-swap": "outerMorph",
    "hx-sync": "#sheet-form:queue all",
    "hx-vals": '{"refresh": "1"}',
}


@dataclass
class Part:
    """One thing the form asks for: a field, conditions, or a mapping."""

    parameter: Parameter
    field: BoundField | None = None
    builder: Builder | None = None
    mapping: MappingRows | None = None
    problem: str = ""

    @property
    def redraws(self) -> bool:
        return self.field is not None and "hx-vals" in self.field.field.widget.attrs

    @property
    def is_campaign(self) -> bool:
        return isinstance(self.parameter, Campaign)


class ParameterForm:
    """`data` is what was sent, `initial` the stored values, `url` where the form goes. After `is_valid`, `values` holds
    the clean ones.

    Each name begins with `p-`, conditions with `c-`, mappings with `m-`, so that nothing meets another.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        data: QueryDict | None = None,
        initial: dict[str, Any] | None = None,
        url: str = "",
    ) -> None:
        self.parameters, self.data, self.url = tuple(parameters), data, url
        defaults = {one.key: one.default for one in self.parameters}
        self.initial = defaults | {key: value for key, value in (initial or {}).items() if value is not None}
        self.values: dict[str, Any] = {}
        self.form = self._draw()
        self.parts = [part for one in self.parameters if (part := self._part(one))]

    @property
    def acted(self) -> bool:
        """Whether a button that changes the form was pressed, rather than its own."""
        if self.data is None:
            return False
        return any(name in self.data for name in _CHANGES) or any(one.builder.acted for one in self._built())

    def is_valid(self) -> bool:
        if self.data is None or self.acted:
            # What is wrong is said when the form is sent, not while it is written.
            self.form._errors = ErrorDict()  # type: ignore[attr-defined]
            return False
        fine = [self.form.is_valid(), *(_is_fine(one.builder) for one in self._built())]
        self.values = dict(self.form.cleaned_data)
        for part in self.parts:
            if part.builder:
                self.values[part.parameter.key] = _tree(part.builder)
            elif part.mapping:
                self.values[part.parameter.key] = part.mapping.clean()
                fine.append(not part.mapping.error)
        return all(fine)

    def add_problem(self, key: str, message: str) -> bool:
        """Show a problem beside the parameter. False if the form has no such parameter."""
        for part in self.parts:
            if part.parameter.key == key:
                part.problem = message
                if part.field:
                    self.form.add_error(key, message)
                return True
        return False

    @property
    def errors(self) -> int:
        beside: int = sum(part.builder.error_count for part in self._built())
        return len(self.form.errors) + beside + sum(1 for part in self.parts if part.mapping and part.mapping.error)

    def chosen(self, key: str) -> Any:
        """What the form says of a parameter now, right or wrong."""
        name = f"p-{key}"
        return self.data[name] if self.data is not None and name in self.data else self.initial.get(key)

    def _built(self) -> list[Any]:
        return [part for part in self.parts if part.builder]

    def _draw(self) -> forms.Form:
        drawn = {}
        for one in self.parameters:
            if not isinstance(one, Conditions | Mapping):
                drawn[one.key] = self._field(one)
        made = type("DrawnForm", (forms.Form,), drawn)
        form: forms.Form = made(self.data, prefix="p", initial=self.initial, use_required_attribute=False)
        return form

    def _field(self, parameter: Parameter) -> ParameterField:
        chosen = None
        if isinstance(parameter, FieldValue):
            chosen = field_of_catalogue(parameter.catalogue, self.chosen(parameter.of))
        return ParameterField(parameter, chosen)

    def _part(self, parameter: Parameter) -> Part | None:
        other, answer = _ONLY_WHEN.get(parameter.key, ("", ""))
        if other and other in self.initial and self.chosen(other) != answer:
            return None
        if isinstance(parameter, Conditions):
            return Part(parameter, builder=self._builder(parameter))
        if isinstance(parameter, Mapping):
            return Part(parameter, mapping=MappingRows.begin(parameter, self.data, self.initial.get(parameter.key)))
        bound = self.form[parameter.key]
        if self._redraws(parameter):
            bound.field.widget.attrs.update(_REDRAW, **{"hx-post": self.url})
        return Part(parameter, field=bound)

    def _redraws(self, parameter: Parameter) -> bool:
        """Whether another part depends on its answer."""
        if any(other == parameter.key for other, _ in _ONLY_WHEN.values()):
            return True
        return isinstance(parameter, CatalogueField) and any(
            isinstance(one, FieldValue) and one.of == parameter.key for one in self.parameters
        )

    def _builder(self, parameter: Conditions) -> Builder:
        required = parameter.required or parameter.key in _ONLY_WHEN
        return Builder(
            f"c-{parameter.key}",
            self.data,
            group_of(self.initial.get(parameter.key), parameter.scope),
            parameter.scope,
            required=required,
        )


def group_of(tree: Any, scope: str) -> Group | None:
    """Stored conditions for the builder, those that cannot be read any more among them."""
    try:
        return parse_loosely(tree, scope) if tree else None
    except ConditionError:
        return None


def _is_fine(builder: Builder) -> bool:
    """Conditions that may be missing, and were not sent, stay as they are."""
    return builder.is_valid() or not (builder.is_bound or builder.required)


def _tree(builder: Builder) -> Any:
    return as_json(builder.group) if builder.group.items else None


class DeclaredForm:
    """What the forms of triggers and steps share: the drawn parameters, and problems that belong beside no field."""

    def __init__(self, drawn: ParameterForm) -> None:
        self.drawn = drawn
        self.problems: list[str] = []

    @property
    def parts(self) -> list[Part]:
        return self.drawn.parts

    @property
    def acted(self) -> bool:
        return self.drawn.acted
