"""The form of a resource that is connected already."""

from __future__ import annotations

from typing import Any

from django import forms

from connections import setup, webhooks
from connections.models import Resource
from connections.sources.base import SourceError
from connections.sources.stripe import events


class ResourceForm(forms.Form):
    """Which events are on, and which data they bring. Valid once Stripe's endpoint and our row say the same."""

    events = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Switch on at least one event. To stop syncing altogether, disconnect the resource.",
            "invalid_choice": "%(value)s is not an event of this resource.",
        },
    )
    data_choice = forms.ChoiceField(choices=Resource.Data.choices, widget=forms.RadioSelect)

    def __init__(self, resource: Resource, data: Any = None) -> None:
        super().__init__(data, initial={"events": resource.events, "data_choice": resource.data})
        self.resource = resource
        field = self.fields["events"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101  declared above
        field.choices = [(event.type, event.label) for event in events.offered(resource.kind)]

    @property
    def chosen_events(self) -> list[str]:
        """As the switches should stand: what was sent, even if it was refused."""
        return [str(value) for value in self["events"].value() or []]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            setup.change_resource(self.resource, events=cleaned["events"], data=cleaned["data_choice"])
        except webhooks.EndpointCap as cap:
            raise forms.ValidationError(
                f"Stripe already has {cap.count} webhook endpoints. Delete or disable one in Stripe, then save again."
            ) from cap
        except SourceError as refusal:
            raise forms.ValidationError(refusal.message) from refusal
        return cleaned
