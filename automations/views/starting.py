"""Contacts put into an automation by hand: from its own page, or from the page of a contact."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from automations import starting
from automations.forms.starting import KeyForm, WhichForm, WhoForm
from automations.models import Automation
from automations.views.drafts import found, sheet
from common.htmx import is_fragment
from contacts.models import Contact
from users import audit
from users.roles import require, role_required

NOBODY = "Nobody entered: they were started already."


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def start(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Whom; then the question with the number; then they enter."""
    automation = found(pk)
    if not starting.can_be_started(automation):
        messages.error(request, "Only an active automation with the trigger “Started by hand” can be started.")
        return redirect(automation)
    form = WhoForm(automation, request.POST if request.method == "POST" else None)
    sure = KeyForm({} if "back" in request.POST else request.POST)
    again = sure.is_valid() and starting.was_started(automation, sure.cleaned_data["key"])
    if again or (form.is_valid() and sure.is_valid()):
        entered = 0 if again else _enter(request, automation, form, sure.cleaned_data["key"])
        _tell(request, entered)
        return redirect(automation)
    return _ask(request, automation, form)


def _enter(request: HttpRequest, automation: Automation, form: WhoForm, key: Any) -> int:
    entered = starting.by_hand(automation, form.contacts, require(request, "marketer"), key)
    whom = str(form.cleaned_data["segment"] or form.contact)
    audit.record(request, "started automation by hand", automation, contacts=entered, whom=whom)
    return entered


def _ask(request: HttpRequest, automation: Automation, form: WhoForm) -> HttpResponseBase:
    asks = form.is_bound and not form.errors and "back" not in request.POST
    context = {"form": form, "asks": asks, "key": uuid4() if asks else ""}
    is_answer = request.method == "POST" and is_fragment(request)
    fragment = "automations/_start_form.html" if is_answer else "automations/_start.html"
    return sheet(request, automation, fragment, context, status=422 if form.errors else 200)


def _tell(request: HttpRequest, entered: int) -> None:
    if not entered:
        messages.info(request, NOBODY)
        return
    messages.success(request, f"{entered:,} contact{'' if entered == 1 else 's'} entered")


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def start_for_contact(request: HttpRequest, contact: int) -> HttpResponseBase:
    chosen = get_object_or_404(Contact.objects.present(), pk=contact)
    form = WhichForm(chosen, request.POST if request.method == "POST" else None, initial={"key": uuid4()})
    if form.is_valid():
        automation = form.cleaned_data["automation"]
        who = Contact.objects.filter(pk=chosen.pk)
        entered = starting.by_hand(automation, who, require(request, "marketer"), form.cleaned_data["key"])
        if entered:
            audit.record(request, "started automation by hand", automation, contacts=1, whom=str(chosen))
            messages.success(request, f"{chosen} entered “{automation}”")
        else:
            messages.info(request, f"{chosen} did not enter “{automation}”: it was started already, or runs only once.")
        return redirect(chosen)
    context = {"form": form, "contact": chosen}
    status = 422 if form.errors else 200
    if is_fragment(request):
        name = "_start_which_form" if request.method == "POST" else "_start_which"
        return render(request, f"automations/{name}.html", context, status=status)
    return render(request, "automations/start_which.html", context, status=status)
