"""The form of a connection's status map."""

from __future__ import annotations

from typing import Any

from django import forms

from connections.models import Connection
from connections.sources.stripe import recurring
from recurring_payments.models import Status


class StatusMapForm(forms.Form):
    """One select per status at Stripe. What equals our own map is not stored, so a better default still reaches it."""

    def __init__(self, connection: Connection, data: Any = None) -> None:
        super().__init__(data)
        self.connection = connection
        for told, usual in recurring.STATUSES.items():
            self.fields[told] = forms.ChoiceField(
                label=told,
                choices=Status.choices,
                initial=connection.status_map.get(told, usual),
                help_text=f"Usually {Status(usual).label.lower()}",
            )

    def chosen(self) -> dict[str, str]:
        """Statuses that differ from the usual ones. Only of a valid form."""
        return {told: value for told, value in self.cleaned_data.items() if value != recurring.STATUSES[told]}
