"""What people can get wrong about contacts, fields, tags and lists, told beside the field."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from common.fields import Field
from common.text import storable
from contacts import editing
from contacts.custom_fields import key_for
from contacts.email import clean_email
from contacts.fields import coerce, contact_fields
from contacts.form_fields import form_field, shown_value
from contacts.models import Contact, ContactList, CustomField, Tag

RESERVED = "stripe-integration"
MADE_BY_INTEGRATION = f"Tags beginning “{RESERVED}” are made by the Stripe integration. Choose another name."
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def one_line(text: str) -> str:
    """The text without control characters, blanks at its ends and doubled blanks."""
    return " ".join(_CONTROL.sub(" ", storable(text)).split())


class ContactForm(forms.Form):
    """Every field of a contact, typed. Tells by `changed_values` only what the person changed: what a sync wrote
    since the page was opened stays.
    """

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, contact: Contact | None = None, **kwargs: Any) -> None:
        self.contact = contact
        self.owner: Contact | None = None
        self.targets = {field.key: field for field in contact_fields()}
        initial = {key: shown_value(contact, field) for key, field in self.targets.items()} if contact else {}
        kwargs["initial"] = initial | {"version": contact.version if contact else 0}
        super().__init__(*args, **kwargs)
        for key, field in self.targets.items():
            self.fields[key] = form_field(field, initial.get(key))

    def clean_email(self) -> str:
        address: str = self.cleaned_data["email"]
        if not address or "email" not in self.changed_data:
            return address
        try:
            address = clean_email(address)
            is_test = self.contact.is_test if self.contact else False
            self.owner = editing.owner_of(address, is_test=is_test, besides=self.contact)
        except ValueError as error:
            raise ValidationError("This is not an email address. It looks like ana@example.com.") from error
        if self.owner:
            raise ValidationError(f"This address belongs to {self.owner}.")
        return address

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for key in self.changed_data:
            if key in self.targets and values.get(key) not in (None, ""):
                self._check(self.targets[key], values)
        named = any(values.get(key) for key in ("email", "first_name", "last_name", "phone"))
        if self.contact is None and not named and not self.errors:
            raise ValidationError("Enter at least an email address, a name or a phone number.")
        return values

    def _check(self, field: Field, values: dict[str, Any]) -> None:
        try:
            values[field.key] = coerce(values[field.key], field)
        except ValueError as error:
            self.add_error(field.key, str(error))

    def address_taken(self) -> None:
        """Somebody took the address between our look and our write."""
        self.owner = editing.owner_of(
            self.cleaned_data["email"], is_test=bool(self.contact and self.contact.is_test), besides=self.contact
        )
        self.add_error("email", f"This address belongs to {self.owner or 'another contact'}.")

    def changed_values(self) -> dict[str, Any]:
        """Field key -> value as it is stored, None for an emptied one; for `contacts.editing`."""
        values = {key: self.cleaned_data[key] for key in self.changed_data if key in self.targets}
        return {key: None if value == "" else value for key, value in values.items()}


class TagNameForm(forms.Form):
    """A tag to put on a contact; one that does not exist yet is made."""

    name = forms.CharField(
        label="Tag", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off", "list": "tag-names"})
    )

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        if not name:
            raise ValidationError("Enter a name.")
        if name.startswith(RESERVED) and not Tag.objects.filter(name=name).exists():
            raise ValidationError(MADE_BY_INTEGRATION)
        return name


class JoinListForm(forms.Form):
    list = forms.ModelChoiceField(queryset=ContactList.objects.none(), label="List", empty_label="Choose a list")

    def __init__(self, *args: Any, contact: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["list"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  for the type checker: it is declared above
        field.queryset = ContactList.objects.exclude(contacts=contact)


class TagForm(forms.ModelForm):
    class Meta:
        model = Tag
        fields = ["name"]

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        if not name:
            raise ValidationError("Enter a name.")
        if name.startswith(RESERVED):
            raise ValidationError(MADE_BY_INTEGRATION)
        return name


class ListForm(forms.ModelForm):
    class Meta:
        model = ContactList
        fields = ["name", "description"]

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        if not name:
            raise ValidationError("Enter a name.")
        return name


class FieldForm(forms.ModelForm):
    """A custom field. Its type is fixed once it exists, because its values have that type."""

    choices = forms.CharField(
        required=False,
        label="Choices",
        help_text="One a line. Only for the type Choice.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    class Meta:
        model = CustomField
        fields = ["label", "type"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["label"].help_text = "As people will see it, such as “Plan name”"
        self.initial["choices"] = "\n".join(self.instance.choices)
        if self.instance.pk:
            self.fields["type"].disabled = True
            self.fields["type"].help_text = "The type is fixed once a field exists."
            if self.instance.type != CustomField.Type.CHOICE:
                del self.fields["choices"]

    def clean_label(self) -> str:
        label = one_line(self.cleaned_data["label"])
        if not label:
            raise ValidationError("Enter a label.")
        if CustomField.objects.filter(label__iexact=label).exclude(pk=self.instance.pk).exists():
            raise ValidationError("Another field has this label already.")
        return label

    def clean_choices(self) -> list[str]:
        lines = [one_line(line) for line in self.cleaned_data["choices"].splitlines()]
        choices = list(dict.fromkeys(line for line in lines if line))
        if self.cleaned_data.get("type", self.instance.type) != CustomField.Type.CHOICE:
            return []
        if not choices:
            raise ValidationError("Enter at least one choice.")
        if any(len(choice) > 100 for choice in choices):
            raise ValidationError("A choice may have at most 100 characters.")
        return choices

    def save(self, commit: bool = True) -> CustomField:
        if "choices" in self.cleaned_data:
            self.instance.choices = self.cleaned_data["choices"]
        if not self.instance.pk:
            self.instance.key = key_for(self.instance.label)
        field: CustomField = super().save(commit)
        return field
