"""What people can get wrong about campaigns, told beside the field: tags and syntax with line and column."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils import timezone

from campaigns.models import Campaign, DeliverySettings
from campaigns.personalization import problems
from campaigns.rendering import one_line
from campaigns.templating import LONGEST_SOURCE
from campaigns.usage import broken_uses
from common.meanwhile import MeanwhileForm
from common.text import storable
from contacts.models import ContactList
from segments.models import Segment

_MOST_TOLD = 5
NOW, LATER = "now", "later"


class CampaignForm(MeanwhileForm):
    """A campaign's content. The kind is chosen once: it decides which tags there are."""

    class Meta:
        model = Campaign
        fields = (
            "name", "kind", "subject", "preheader", "html", "text", "from_name", "from_address", "reply_to",
            "tracks_opens", "tracks_clicks",
        )  # fmt: skip
        labels = {
            "preheader": "Preview text",
            "html": "HTML",
            "text": "Plain text",
            "from_name": "Sender name",
            "from_address": "Sender address",
            "reply_to": "Replies go to",
            "tracks_opens": "Count opens",
            "tracks_clicks": "Count clicks",
        }
        help_texts = {
            "name": "Only your team sees it",
            "preheader": "What mail programs show beside the subject",
            "text": "Left empty, it is made from the HTML",
        }
        widgets = {
            # The tags beside the form follow the kind.
            "kind": forms.Select(
                attrs={
                    "hx-get": reverse_lazy("campaigns:create"),
                    "hx-trigger": "change",
                    "hx-select": ".tag-menu",
                    "hx-target": ".tag-menu",
                    "hx-swap": "outerHTML",
                }
            ),
            "subject": forms.TextInput(attrs={"data-tags": "", "autocomplete": "off"}),
            "preheader": forms.TextInput(attrs={"data-tags": "", "autocomplete": "off"}),
            "html": forms.Textarea(
                attrs={"data-tags": "", "class": "mono-input mail-source", "rows": 16, "spellcheck": "false"}
            ),
            "text": forms.Textarea(attrs={"data-tags": "", "class": "mono-input", "rows": 5}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["subject"].required = True
        for name in ("html", "text"):
            self.fields[name].max_length = LONGEST_SOURCE  # type: ignore[attr-defined]
        if self.instance.pk:
            del self.fields["kind"]
        delivery = DeliverySettings.current()
        shown = {"from_name": delivery.sender_name, "from_address": delivery.sender, "reply_to": delivery.reply_to}
        for name, value in shown.items():
            self.fields[name].widget.attrs["placeholder"] = value

    @property
    def kind(self) -> str:
        """Of the campaign as it would be saved now."""
        return str(self.instance.kind if self.instance.pk else self["kind"].value() or Campaign.Kind.AUTOMATED)

    def clean_name(self) -> str:
        name = one_line(storable(self.cleaned_data["name"]))
        if not name:
            raise ValidationError("Enter a name.")
        return name

    def clean_subject(self) -> str:
        return self._checked("subject", one_line(storable(self.cleaned_data["subject"])))

    def clean_preheader(self) -> str:
        return self._checked("preheader", one_line(storable(self.cleaned_data["preheader"])))

    def clean_from_name(self) -> str:
        return one_line(storable(self.cleaned_data["from_name"]))

    def clean_html(self) -> str:
        return self._checked("html", storable(self.cleaned_data["html"]).replace("\r\n", "\n"))

    def clean_text(self) -> str:
        return self._checked("text", storable(self.cleaned_data["text"]).replace("\r\n", "\n"))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not {"html", "text"} & set(self.errors) and not (
            values.get("html", "").strip() or values.get("text", "").strip()
        ):
            self.add_error("html", "Write something: a mail needs HTML or plain text.")
        if not self.errors:
            content = Campaign(**{name: values[name] for name in ("subject", "preheader", "html", "text")})
            for reason in broken_uses(self.instance, content):
                self.add_error(None, reason)
        return values

    def _checked(self, name: str, source: str) -> str:
        kind = str(self.instance.kind if self.instance.pk else self.cleaned_data.get("kind") or Campaign.Kind.AUTOMATED)
        found = problems(source, kind=kind, is_html=name == "html")
        if found:
            told = [str(problem) for problem in found[:_MOST_TOLD]]
            if len(found) > _MOST_TOLD:
                told.append(f"And {len(found) - _MOST_TOLD} more.")
            raise ValidationError([ValidationError(one) for one in told])
        return source


class AudienceForm(forms.ModelForm):
    """Lists and segments a direct campaign goes to."""

    class Meta:
        model = Campaign
        fields = ("lists", "segments", "to_test_contacts")

    lists = forms.ModelMultipleChoiceField(
        ContactList.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Lists"
    )
    segments = forms.ModelMultipleChoiceField(
        Segment.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Segments"
    )
    to_test_contacts = forms.TypedChoiceField(
        choices=[("False", "Live contacts"), ("True", "Test contacts: a rehearsal, nothing is sent")],
        coerce=lambda value: value == "True",
        widget=forms.RadioSelect,
        label="Mode",
        initial="False",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and not values.get("lists") and not values.get("segments"):
            raise ValidationError("Choose at least one list or segment.")
        return values


class SendForm(forms.Form):
    """Now, or at a time to come."""

    when = forms.ChoiceField(
        choices=[(NOW, "Now"), (LATER, "At a time")], widget=forms.RadioSelect, initial=NOW, label="When"
    )
    at = forms.DateTimeField(
        required=False,
        label="Date and time (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("when") == LATER and "at" not in self.errors:
            if not values.get("at"):
                self.add_error("at", "Enter when the campaign begins.")
            elif values["at"] <= timezone.now():
                self.add_error("at", "This time is over. Enter one to come, or choose Now.")
        elif values.get("when") == NOW and values.get("at"):
            self.add_error("at", "Choose “At a time” to begin then, or clear the time to send now.")
        return values

    @property
    def time(self) -> datetime | None:
        """None for now."""
        return self.cleaned_data["at"] if self.cleaned_data["when"] == LATER else None


class DeliveryForm(forms.ModelForm):
    class Meta:
        model = DeliverySettings
        fields = ("from_name", "from_address", "reply_to", "postal_address")
        labels = {
            "from_name": "Sender name",
            "from_address": "Sender address",
            "reply_to": "Replies go to",
            "postal_address": "Postal address",
        }
        help_texts = {
            "from_name": "What people see first in their inbox, such as the name of your company",
            "from_address": (
                "The part behind the @ has to allow your sending service (SPF and DKIM); else mails land in spam"
            ),
            "reply_to": "Where answers arrive. Left empty, at the sender address",
            "postal_address": (
                "Shown under your mails with the unsubscribe link, as many countries require. A mail that has an "
                "unsubscribe link of its own shows it where you put the tag “Postal address”"
            ),
        }

    def clean_from_name(self) -> str:
        return one_line(storable(self.cleaned_data["from_name"]))

    def clean_postal_address(self) -> str:
        return one_line(storable(self.cleaned_data["postal_address"]))
