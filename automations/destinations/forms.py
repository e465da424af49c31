"""Forms for destinations. Addresses are checked by our own rules, credentials by asking Customer.io."""

from __future__ import annotations

from typing import Any

from django import forms

from automations.destinations import addresses, customerio
from automations.destinations.models import Destination
from common.due import State

_TESTS = "Also take what automations for tests send"
_NAME_TAKEN = {"name": {"unique": "There is a destination of this name already."}}
_TESTS_HELP = "Leave this off for a system that real customers are in."


class WebhookForm(forms.ModelForm):
    url = forms.CharField(
        label="Address",
        max_length=addresses.LONGEST,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks", "class": "mono-input"}),
        help_text="Must begin with https:// and answer within 15 seconds with a status from 200 to 299.",
    )

    class Meta:
        model = Destination
        fields = ["name", "url", "takes_tests"]
        labels = {"takes_tests": _TESTS}
        help_texts = {"name": "As your automations show it.", "takes_tests": _TESTS_HELP}
        error_messages = _NAME_TAKEN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = Destination.Kind.WEBHOOK

    def clean_url(self) -> str:
        try:
            return addresses.check(self.cleaned_data["url"])
        except addresses.AddressRefused as error:
            raise forms.ValidationError(str(error)) from error


class CustomerioEditForm(forms.ModelForm):
    class Meta:
        model = Destination
        fields = ["name", "identify_by", "takes_tests"]
        labels = {"takes_tests": _TESTS, "identify_by": "People are known there by"}
        help_texts = {"takes_tests": _TESTS_HELP}
        error_messages = _NAME_TAKEN


class CredentialsForm(forms.ModelForm):
    """The key is never sent back to a browser. Valid only if Customer.io takes all three together."""

    region = forms.ChoiceField(label="Region", choices=Destination.Region.choices)
    site_id = forms.CharField(
        label="Site ID", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono-input"})
    )
    api_key = forms.CharField(
        label="API key",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "mono-input"}),
        help_text="Of the Track API: in Customer.io under Settings > Account settings > API credentials.",
    )

    class Meta:
        model = Destination
        fields = ["region", "site_id"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                customerio.check(given["region"], given["site_id"].strip(), given["api_key"].strip())
            except customerio.CredentialsRefused as error:
                raise forms.ValidationError(str(error)) from error
        return given

    @property
    def key(self) -> str:
        return str(self.cleaned_data["api_key"]).strip()


class CustomerioForm(CredentialsForm):
    class Meta(CredentialsForm.Meta):
        fields = ["name", "region", "site_id", "identify_by", "takes_tests"]
        labels = CustomerioEditForm.Meta.labels
        help_texts = CustomerioEditForm.Meta.help_texts
        error_messages = _NAME_TAKEN

    field_order = ["name", "region", "site_id", "api_key", "identify_by", "takes_tests"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = Destination.Kind.CUSTOMERIO


class DeliveryFilter(forms.Form):
    """Of the log. What does not fit filters nothing."""

    STATES = [
        ("", "Every state"),
        ("due", "Waiting"),
        (State.DONE, "Delivered"),
        (State.DEAD, "Failed"),
        (State.IGNORED, "Dismissed"),
    ]
    state = forms.ChoiceField(required=False, choices=STATES, widget=forms.Select(attrs={"aria-label": "State"}))
    q = forms.CharField(required=False, max_length=200)
