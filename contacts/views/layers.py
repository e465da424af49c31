"""The two dialogs of the settings pages: a short form, and a question before something is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from common.htmx import render_fragment_or_page, target_id
from users import audit

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


@dataclass(frozen=True)
class Done:
    """What was done, for the audit log («renamed tag») and for the person («Tag renamed to “{}”»)."""

    action: str
    told: str


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


def save_layer(
    request: HttpRequest, layer: Layer, form: forms.ModelForm, done: Done, **before: Any
) -> HttpResponseBase:
    """The form; once it is valid, saved and written down. `before`: fields and the values they had."""
    if not form.is_valid():
        return form_layer(request, layer, form)
    saved = form.save()
    audit.record(request, done.action, saved, **{name: (old, getattr(saved, name)) for name, old in before.items()})
    messages.success(request, done.told.format(saved))
    return redirect(layer.back)


def delete_layer(request: HttpRequest, layer: Layer, gone: Model, done: Done, **about: Any) -> HttpResponseBase:
    """The question; once it is answered, the row is deleted and that written down. `about`: what went with it."""
    if request.method != "POST":
        return confirm_layer(request, layer)
    audit.record(request, done.action, gone, **about)
    gone.delete()
    messages.success(request, done.told.format(gone))
    return redirect(layer.back)
