"""What to sync: the resource, how far back, which of its events, and how much of them."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from connections.models import Connection, Resource, SetupDraft
from connections.sources.stripe import events
from connections.sources.stripe.listing import LISTINGS

RETIRED = "order"


def unavailable(connection: Connection) -> dict[str, str]:
    """Kind -> why it cannot be chosen now, in words."""
    reasons = {
        kind: gettext("the key lacks the permission %(name)s") % {"name": listing.permission}
        for kind, listing in LISTINGS.items()
        if listing.permission in connection.missing_permissions
    }
    connected = connection.resources.active().values_list("kind", flat=True)
    return reasons | {kind: gettext("already connected") for kind in connected}


class KindSelect(forms.Select):
    """A select whose impossible options stay visible, disabled, with their reason."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.disabled: dict[str, str] = {}

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, label, *args, **kwargs)
        if reason := self.disabled.get(str(value)):
            option["label"] = f"{label} ({reason})"
            option["attrs"]["disabled"] = True
        return option


class ResourceForm(forms.Form):
    """Resource and sync type; neither is chosen beforehand."""

    # Our own sentences at the field say more than the browser's.
    use_required_attribute = False

    kind = forms.ChoiceField(
        label=_("Choose resource"),
        widget=KindSelect,
        error_messages={
            "required": _("Choose a resource."),
            "invalid_choice": _("Choose one of the resources listed."),
        },
        help_text=_("Stripe retired its orders; Checkout Session replaces them."),
    )
    sync = forms.ChoiceField(
        label=_("Sync type"),
        choices=[("", _("Choose sync type")), *Resource.Sync.choices],
        error_messages={"required": _("Choose a sync type."), "invalid_choice": _("Choose one of the two sync types.")},
        help_text=_(
            "Historical records are imported once, in the background. New records arrive as events either way."
        ),
    )

    def __init__(self, draft: SetupDraft, events_url: str, data: QueryDict | None = None) -> None:
        self.reasons = unavailable(draft.connection)
        kind = "" if draft.kind in self.reasons else draft.kind
        super().__init__(data, initial={"kind": kind, "sync": draft.sync})
        field = self.fields["kind"]
        retired = (RETIRED, gettext("Order"))
        field.choices = [("", gettext("Choose a resource")), *Resource.Kind.choices, retired]  # type: ignore[attr-defined]
        field.widget.disabled = self.reasons | {RETIRED: gettext("retired by Stripe")}
        field.widget.attrs |= {"hx-get": events_url, "hx-target": "#events", "hx-swap": "outerHTML"}

    def clean_kind(self) -> str:
        kind: str = self.cleaned_data["kind"]
        if kind == RETIRED:
            raise forms.ValidationError(_("Stripe retired its orders. Choose Checkout Session, which replaces them."))
        if reason := self.reasons.get(kind):
            raise forms.ValidationError(
                _("%(resource)s cannot be chosen: %(reason)s."),
                params={"resource": Resource.Kind(kind).label, "reason": reason},
            )
        return kind


class EventsForm(forms.Form):
    """The switches of one resource. `shown_for` names it, so that switches of another one are noticed."""

    events = forms.MultipleChoiceField(
        label=_("Events"),
        required=False,
        error_messages={"invalid_choice": _("%(value)s is not an event of this resource.")},
    )
    everything = forms.BooleanField(required=False)

    def __init__(self, kind: str, chosen: list[str] | None, data_choice: str, data: QueryDict | None = None) -> None:
        self.kind = kind
        self.stale = bool(data) and data.get("shown_for", "") not in ("", kind)  # type: ignore[union-attr]
        self.unseen = data is not None and not data.get("shown_for")
        super().__init__(data)
        self.fields["events"].choices = [(event.type, event.label) for event in events.offered(kind)]  # type: ignore[attr-defined]
        self._before = (events.defaults(kind) if chosen is None else chosen, data_choice)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The switches as shown: type, label, on."""
        on = self._before[0] if self._shows_before else cast("QueryDict", self.data).getlist("events")
        return [{"event": event, "on": event.type in on} for event in events.offered(self.kind)]

    @property
    def wants_everything(self) -> bool:
        if self._shows_before:
            return self._before[1] == Resource.Data.ALL
        return bool(self.data.get("everything"))

    @property
    def data_choice(self) -> str:
        """Resource.Data. Customers bring no orders, so nothing is asked there."""
        if self.unseen or self.kind == Resource.Kind.CUSTOMER:
            return self._before[1]
        return str(Resource.Data.ALL if self.cleaned_data["everything"] else Resource.Data.CUSTOMER_ONLY)

    @property
    def chosen(self) -> list[str]:
        """Event types in the order of the table. What was never shown keeps its defaults."""
        picked = self._before[0] if self.unseen else self.cleaned_data["events"]
        return [event.type for event in events.offered(self.kind) if event.type in picked]

    @property
    def _shows_before(self) -> bool:
        return not self.is_bound or self.unseen or self.stale

    def clean_events(self) -> list[str]:
        picked: list[str] = self.cleaned_data["events"]
        if not picked and not self.unseen:
            raise forms.ValidationError(_("Switch on at least one event."))
        return picked

    def clean(self) -> dict[str, Any]:
        if self.stale:
            # Whatever the switches of another resource said, these here are news to the user.
            self.errors.pop("events", None)
            self.add_error("events", _("These are the events of the resource chosen now. Check them, then continue."))
        return self.cleaned_data
