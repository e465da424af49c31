"""Changing and creating contacts by hand. Drawers by htmx, pages without."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from common.htmx import render_fragment_or_page, target_id
from contacts import editing
from contacts.forms import ContactForm
from contacts.models import Activity, Contact, Kind
from users.roles import require, role_required

FORM_ID = "contact-form"


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    form = ContactForm(request.POST or None, contact=contact)
    if not form.is_valid():
        return _answer(request, form, status=422 if form.errors else 200)
    try:
        changes = editing.save(
            contact.pk, form.cleaned_data["version"] or 0, form.changed_values(), require(request, "marketer")
        )
    except editing.ChangedMeanwhile as conflict:
        return _conflict(request, form, conflict.contact)
    except IntegrityError:
        form.address_taken()
        return _answer(request, form, status=422)
    messages.success(request, "Contact saved" if changes else "Nothing was changed")
    return redirect(contact)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def create(request: HttpRequest) -> HttpResponseBase:
    form = ContactForm(request.POST or None)
    if not form.is_valid():
        return _answer(request, form, status=422 if form.errors else 200)
    try:
        contact = editing.create(form.changed_values(), require(request, "marketer"))
    except IntegrityError:
        form.address_taken()
        return _answer(request, form, status=422)
    messages.success(request, "Contact created")
    return redirect(contact)


def _conflict(request: HttpRequest, form: ContactForm, current: Contact) -> HttpResponseBase:
    """The same form again, with what was typed; saving once more writes over the other person's values."""
    last = Activity.objects.filter(contact=current, kind=Kind.CONTACT_UPDATED, origin="user").order_by("-id").first()
    typed = request.POST.copy()
    typed["version"] = str(current.version)
    form.data = typed
    theirs = [
        {"label": form.targets[key].label, "value": current.value(key)}
        for key in form.changed_values()
        if key in {change["field"] for change in (last.changes if last else [])}
    ]
    conflict = {"by": last.data.get("by") if last else "", "at": last.occurred_at if last else None, "theirs": theirs}
    return _answer(request, form, status=409, conflict=conflict)


def _answer(request: HttpRequest, form: ContactForm, *, status: int, **extra: Any) -> HttpResponseBase:
    context = {"form": form, "contact": form.contact, **extra}
    # The opener asks for the drawer, the form inside it only for itself.
    fragment = "contacts/_form.html" if target_id(request) == FORM_ID else "contacts/_edit.html"
    return render_fragment_or_page(request, "contacts/edit.html", fragment, context, status=status)
