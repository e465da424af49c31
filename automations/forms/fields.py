"""How a typed parameter looks in a form. What may stand in it is for the parameter to say, not for the widget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from automations.field_parameters import CatalogueField, DateField, FieldValue
from automations.parameters import Choice, Duration, Number, Parameter, Row, Several, Tag, Text, YesNo
from automations.wording import choices_of
from common.fields import Field, FieldType, catalogue

_ABOUT = {"contact": "Contact", "recurring_payment": "Recurring payment", "order": "Order"}
_CHOOSE = ("", "Choose")
_ANY, _NOTHING = ("", "Any value"), ("", "Nothing")
Options = list[Any]


class DurationWidget(forms.MultiWidget):
    template_name = "automations/_duration.html"

    def __init__(self, units: Iterable[str]) -> None:
        amount = forms.TextInput(attrs={"inputmode": "numeric", "aria-label": "Amount", "autocomplete": "off"})
        unit = forms.Select(choices=[(one, one) for one in units], attrs={"aria-label": "Unit"})
        super().__init__({"amount": amount, "unit": unit})

    def decompress(self, value: Any) -> list[Any]:
        return [value.get("amount"), value.get("unit")] if isinstance(value, dict) else [None, None]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        amount, unit = super().value_from_datadict(data, files, name)
        return {"amount": amount, "unit": unit} if amount else None


class ParameterField(forms.Field):
    """A field that asks its parameter. Its clean value is what stands in the automation's JSON."""

    def __init__(self, parameter: Parameter, chosen: Field | None = None) -> None:
        self.parameter = parameter
        super().__init__(
            label=parameter.label,
            help_text=parameter.help,
            required=parameter.required,
            widget=_widget(parameter, chosen),
        )

    def clean(self, value: Any) -> Any:
        try:
            return self.parameter.clean(value)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return value


def _widget(parameter: Parameter, chosen: Field | None) -> forms.Widget:
    match parameter:
        case FieldValue():
            return _value_widget(chosen, _NOTHING if parameter.key == "value" else _ANY, parameter.catalogue)
        case Duration():
            return DurationWidget(parameter.units)
        case Several():
            return forms.CheckboxSelectMultiple(choices=list(parameter.offered()))
        case Choice() | Row():
            return forms.Select(choices=_choices(parameter, list(parameter.offered())))
        case YesNo():
            return forms.Select(choices=_choices(parameter, [("yes", "Yes"), ("no", "No")]))
        case CatalogueField():
            return forms.Select(choices=_choices(parameter, _grouped(parameter)))
    return _typed(parameter)


def _typed(parameter: Parameter) -> forms.Widget:
    """What is written rather than chosen."""
    match parameter:
        case Tag():
            return forms.TextInput(attrs={"list": "tag-names", "maxlength": 150, "autocomplete": "off", "dir": "auto"})
        case Number():
            return forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "short-input"})
        case Text(rows=rows, longest=longest) if rows > 1:
            return forms.Textarea(attrs={"rows": rows, "maxlength": longest, "dir": "auto"})
    return forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"})


def _choices(parameter: Parameter, offered: Options) -> Options:
    """An empty entry where there may be none, or where nobody has chosen yet."""
    if not parameter.required:
        return [("", getattr(parameter, "empty_label", "") or "Any"), *offered]
    return offered if parameter.default is not None else [_CHOOSE, *offered]


def _grouped(parameter: CatalogueField) -> Options:
    """The catalogue's groups; dates of several catalogues by what they are about."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for key, field in parameter.fields().items():
        about = _ABOUT.get(key.partition(".")[0], "") if isinstance(parameter, DateField) else field.group
        groups.setdefault(about, []).append((key, field.label))
    if len(groups) == 1:
        return next(iter(groups.values()))
    return list(groups.items())


def _value_widget(field: Field | None, empty: tuple[str, str], about: str) -> forms.Widget:
    """As the chosen field needs it: its choices, yes or no, a day, or text."""
    if field is None:
        return forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"})
    if field.choices:
        labels = choices_of(about, field.key)
        return forms.Select(choices=[empty, *((one, labels.get(one, one)) for one in field.choices)])
    if field.type is FieldType.BOOLEAN:
        return forms.Select(choices=[empty, ("yes", "Yes"), ("no", "No")])
    if field.type is FieldType.DATE:
        return forms.TextInput(attrs={"type": "date"})
    if field.type in (FieldType.NUMBER, FieldType.MONEY):
        return forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"})


def field_of_catalogue(name: str, key: Any) -> Field | None:
    return catalogue(name).get(str(key)) if key else None
