"""Two people edit the same thing: the second hears of the first, and nothing that was typed is lost."""

from __future__ import annotations

from typing import Any

from django import forms

CHANGED = "Somebody else changed it since you opened it."


class MeanwhileForm(forms.ModelForm):
    """Remembers which state of its row it was opened with, by `updated_at`. Valid only while that is how it stands.

    The row must be read for update by whoever checks and saves. A form that was refused for this is sent again with the
    state its sender was told of, so saving once more puts it in place of the other's.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    changed_meanwhile = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["seen"] = self._stands()

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk and values.get("seen", "") not in ("", self._stands()):
            self.changed_meanwhile = True
            self.add_error("seen", CHANGED)
            again: Any = self.data
            self.data = again = again.copy()
            again[self.add_prefix("seen")] = self._stands()
        return values

    def _stands(self) -> str:
        return str(self.instance.updated_at.isoformat())
