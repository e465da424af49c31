"""Forms of a connected account."""

from __future__ import annotations

from typing import Any

from django import forms

from connections import setup
from connections.models import Connection
from connections.sources.base import SourceError


class KeyForm(forms.Form):
    """Another key for a connection: valid once Stripe took it and it is stored. `replaced` is the connection then."""

    key = forms.CharField(
        label="Secret key or restricted key",
        max_length=300,
        help_text="Copy it from Stripe > Developers > API keys. Only its last four characters are ever shown again.",
        widget=forms.PasswordInput(attrs={"class": "mono-input", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Paste the new key."},
    )

    def __init__(self, connection: Connection, data: Any = None) -> None:
        super().__init__(data)
        self.connection = connection
        self.replaced = connection

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        try:
            self.replaced = setup.replace_key(self.connection, key)
        except SourceError as refusal:
            raise forms.ValidationError(refusal.message) from refusal
        return ""
