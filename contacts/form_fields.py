"""Contact fields as typed inputs, and their values as those inputs show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms

from common.fields import Field, FieldType
from contacts.fields import LONGEST_TEXT
from contacts.models import Contact

LENGTHS = {"email": 320, "first_name": 255, "last_name": 255, "phone": 100}
_HINTS = {
    "email": {"inputmode": "email", "spellcheck": "false"},
    "phone": {"inputmode": "tel"},
}
YES, NO = "true", "false"


def form_field(field: Field, initial: Any) -> forms.Field:
    """The input for a field. It carries the value it began with, so that only what a person changed is written."""
    made = _BUILDERS.get(field.type, _text)(field, initial)
    made.show_hidden_initial = True
    return made


def shown_value(contact: Contact, field: Field) -> Any:
    """The contact's value as the initial value of `form_field`."""
    value = contact.value(field.key)
    if value is None or value == "":
        return ""
    if field.type == FieldType.BOOLEAN:
        return YES if value is True else NO
    if field.type == FieldType.DATETIME:
        return datetime.fromisoformat(str(value)).replace(second=0, microsecond=0)
    return value


def _text(field: Field, initial: Any) -> forms.Field:
    attrs = {"autocomplete": "off", "dir": "auto"} | _HINTS.get(field.key, {})
    # An input of one line would drop the line breaks of a synced value.
    several_lines = "\n" in str(initial or "")
    widget = forms.Textarea(attrs=attrs | {"rows": 3}) if several_lines else forms.TextInput(attrs=attrs)
    longest = LENGTHS.get(field.key, LONGEST_TEXT)
    return forms.CharField(label=field.label, required=False, max_length=longest, widget=widget)


def _number(field: Field, initial: Any) -> forms.Field:
    return forms.DecimalField(label=field.label, required=False, widget=forms.NumberInput(attrs={"step": "any"}))


def _date(field: Field, initial: Any) -> forms.Field:
    return forms.DateField(
        label=field.label, required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


def _datetime(field: Field, initial: Any) -> forms.Field:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=field.label, required=False, widget=widget)


def _boolean(field: Field, initial: Any) -> forms.Field:
    return forms.TypedChoiceField(
        label=field.label,
        required=False,
        choices=[("", "–"), (YES, "Yes"), (NO, "No")],
        coerce=lambda value: value == YES,
        empty_value=None,
    )


def _choice(field: Field, initial: Any) -> forms.Field:
    choices = [choice for choice in field.choices if choice != ""]
    if initial and initial not in choices:
        # A choice that was taken away since stays where it is, until a person chooses another.
        choices.append(str(initial))
    return forms.ChoiceField(
        label=field.label, required=False, choices=[("", "–"), *((choice, choice) for choice in choices)]
    )


_BUILDERS = {
    FieldType.NUMBER: _number,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.BOOLEAN: _boolean,
    FieldType.CHOICE: _choice,
}
