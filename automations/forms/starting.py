"""Starting an automation by hand: for one contact or for everybody of a segment, and the question before it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from automations import starting
from automations.forms.automation import ContactForm
from automations.models import Automation
from contacts.models import Contact
from segments.compiling import contacts_matching
from segments.conditions import ConditionError
from segments.models import Segment

# All enter in one transaction, while somebody waits for the answer.
MOST = 20_000


class WhoForm(ContactForm):
    """Whom to put in. After `is_valid`, `contacts` are those who would enter, and `count` how many."""

    segment = forms.ModelChoiceField(
        Segment.objects.all(), required=False, label="Or everybody of a segment", empty_label="No segment"
    )
    contacts: QuerySet[Contact]
    count: int
    field_order = ("address", "segment")

    def __init__(self, automation: Automation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, is_test=automation.is_test, **kwargs)
        self.automation = automation
        self.fields["address"].required = False

    def clean_address(self) -> str:
        return super().clean_address() if self.cleaned_data["address"].strip() else ""

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        address, segment = values.get("address"), values.get("segment")
        if bool(address) == bool(segment):
            raise ValidationError("Choose one of them, not both." if address else "Choose a contact or a segment.")
        chosen = Contact.objects.filter(pk=self.contact.pk) if address else self._of_segment(segment)
        self.contacts = starting.who_would_enter(self.automation, chosen)
        self.count = self.contacts.count()
        if not self.count:
            self.add_error("address" if address else "segment", "Nobody would enter: " + self._why(bool(address)))
        if self.count > MOST:
            self.add_error("segment", f"That is {self.count:,} contacts; at most {MOST:,} can be started at once.")
        return values

    def _of_segment(self, segment: Any) -> QuerySet[Contact]:
        try:
            return contacts_matching(segment.group, test=self.automation.is_test)
        except ConditionError:
            text = "This segment asks about a field that no longer exists. Open the segment and mend it."
            raise ValidationError({"segment": text}) from None

    def _why(self, is_one: bool) -> str:
        if is_one:
            return "this automation runs once for each contact, and this one was in it before."
        return "nobody of this segment is left who was not in this automation before, or nobody matches it now."


class KeyForm(forms.Form):
    """The yes. The key was drawn with the question, so that a second press of the button starts nobody twice."""

    key = forms.UUIDField()


class WhichForm(forms.Form):
    """Which automation to put a contact into."""

    automation = forms.ModelChoiceField(Automation.objects.none(), label="Automation", empty_label="Choose")
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, contact: Contact, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contact = contact
        self.offered = starting.startable().filter(is_test=contact.is_test).select_related("current")
        self.fields["automation"].queryset = self.offered  # type: ignore[attr-defined]
