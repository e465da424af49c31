"""The two dialogs of the settings pages: a short form, and a question before something is deleted."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from common.htmx import render_fragment_or_page, target_id

FORM_ID = "settings-form"


@dataclass(frozen=True)
class Layer:
    """`heading` names the thing, `verb` is the button, `parent` the page behind it (`back` its address)."""

    heading: str
    verb: str
    parent: str
    back: str
    sentence: str = ""
    next: str = ""


def form_layer(request: HttpRequest, layer: Layer, form: forms.BaseForm) -> HttpResponseBase:
    """The form in a dialog or on a page of its own; 422 when it was refused."""
    fragment = (
        "contacts/settings/_form.html" if target_id(request) == FORM_ID else "contacts/settings/_form_dialog.html"
    )
    context = {"form": form, "layer": layer}
    return render_fragment_or_page(
        request, "contacts/settings/form.html", fragment, context, status=422 if form.errors else 200
    )


def confirm_layer(request: HttpRequest, layer: Layer) -> HttpResponseBase:
    context = {"layer": layer}
    return render_fragment_or_page(
        request, "contacts/settings/confirm.html", "contacts/settings/_confirm.html", context
    )
