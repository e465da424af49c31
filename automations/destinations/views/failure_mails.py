"""Who is mailed when something of an automation fails."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations import failures
from automations.models import Automation, FailureRecipient
from contacts.views.layers import Layer, form_layer
from users import audit
from users.models import User
from users.roles import role_required


def _active() -> QuerySet[User]:
    return User.objects.active()


class RecipientsForm(forms.Form):
    users: forms.ModelMultipleChoiceField = forms.ModelMultipleChoiceField(
        label="Mail these people",
        queryset=User.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="One mail an automation and hour at most, with the number of failures and the first of them.",
    )

    def __init__(self, automation: Automation | None, data: QueryDict | None = None) -> None:
        chosen = FailureRecipient.objects.filter(automation=automation).values_list("user", flat=True)
        super().__init__(data, initial={"users": list(chosen)})
        self.fields["users"].queryset = _active()  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def everywhere(request: HttpRequest) -> HttpResponseBase:
    sentence = "Failures of every automation"
    return _answer(request, None, Layer(sentence, "Save", "Destinations", reverse("destinations:list")))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def of_automation(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = get_object_or_404(Automation, pk=pk)
    layer = Layer(
        f"Failures of “{automation}”",
        "Save",
        "Automations",
        failures.page_of(automation) or reverse("destinations:list"),
    )
    return _answer(request, automation, layer)


def _answer(request: HttpRequest, automation: Automation | None, layer: Layer) -> HttpResponseBase:
    form = RecipientsForm(automation, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return form_layer(request, layer, form)
    users = list(form.cleaned_data["users"])
    failures.choose(automation, users)
    about = automation if automation else "every automation"
    audit.record(request, "chose who is mailed on failure", about, users=[user.email for user in users])
    names = ", ".join(map(str, users)) or "Nobody"
    messages.success(request, f"{names} will be mailed on failure.")
    return redirect(layer.back)
