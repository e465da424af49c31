"""An automation: its flow, its state, and what is done to it as a whole."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automations import figures, lifecycle
from automations.forms.automation import AutomationForm
from automations.models import Automation
from automations.views.drafts import changed_meanwhile, found, of_flow, revision_of, saved, sheet
from common.htmx import is_fragment
from users import audit
from users.roles import require, role_required

INSIDE = "Pause the automation first and end its runs: contacts of the other kind are inside."
ARCHIVED = "This automation is archived. Restore it as a draft first."


@require_safe
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    context = of_flow(request, found(pk))
    if is_fragment(request):
        return render(request, "automations/_flow.html", {**context, "out_of_band": True})
    return render(request, "automations/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def create(request: HttpRequest) -> HttpResponseBase:
    form = AutomationForm(request.POST or None)
    if form.is_valid():
        by = require(request, "marketer")
        made = lifecycle.create(by=by, **form.cleaned_data)
        audit.record(request, "created automation", made)
        return redirect(made)
    return _form(request, Automation(), form, "automations/_create.html")


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def settings(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Its name, what it is for, and whether it is for test mode."""
    automation = found(pk)
    before = {name: getattr(automation, name) for name in AutomationForm.Meta.fields}
    form = AutomationForm(request.POST or None, instance=automation)
    if not form.is_valid():
        return _form(request, automation, form, "automations/_settings.html")
    changed = {name: (before[name], form.cleaned_data[name]) for name in form.changed_data}
    if "is_test" in changed and (automation.is_active or figures.of([automation])[pk].inside):
        form.add_error("is_test", INSIDE)
        return _form(request, automation, form, "automations/_settings.html")
    form.save()
    audit.record(request, "changed automation", automation, **changed)
    return saved(request, automation, "Automation saved")


def _form(request: HttpRequest, automation: Automation, form: AutomationForm, fragment: str) -> HttpResponseBase:
    status = 422 if form.errors else 200
    if is_fragment(request) and form.errors:
        fragment = "automations/_automation_form.html"
    return sheet(request, automation, fragment, {"form": form}, status=status)


@require_POST
@role_required("marketer")
def activate(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    is_first = automation.current_id is None
    try:
        version = lifecycle.activate(pk, require(request, "marketer"), revision_of(request, automation))
    except lifecycle.ChangedMeanwhile:
        return changed_meanwhile(request, pk)
    except lifecycle.IsArchived:
        messages.error(request, ARCHIVED)
        return redirect(automation)
    except lifecycle.NotReady:
        context = {**of_flow(request, automation), "refused": True}
        return render(request, "automations/detail.html", context, status=422)
    audit.record(request, "activated automation", automation, version=version.number)
    if is_first:
        messages.success(request, f"You are connected. “{automation}” is active and waits for what starts it.")
    else:
        messages.success(request, f"Version {version.number} is active. Contacts inside finish on theirs.")
    return redirect(automation)


@require_POST
@role_required("marketer")
def pause(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    lifecycle.pause(pk)
    audit.record(request, "paused automation", automation)
    messages.success(request, "Paused. Nobody enters, and contacts inside stay where they are until you resume it.")
    return redirect(automation)


@require_POST
@role_required("marketer")
def resume(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    lifecycle.resume(pk)
    audit.record(request, "resumed automation", automation)
    messages.success(request, "Resumed. Contacts inside go on; dates that passed during the pause start nothing.")
    return redirect(automation)


@require_POST
@role_required("marketer")
def duplicate(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    copy = lifecycle.copy(automation, require(request, "marketer"))
    audit.record(request, "created automation", copy, copied_from=automation.name)
    messages.success(request, f"“{copy}” is a draft of its own.")
    return redirect(copy)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def archive(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Asks first: contacts inside leave."""
    automation = found(pk)
    if request.method != "POST":
        return sheet(request, automation, "automations/_archive.html", of_flow(request, automation))
    lifecycle.archive(pk)
    audit.record(request, "archived automation", automation)
    messages.success(request, f"“{automation}” is archived")
    return redirect("automations:list")


@require_POST
@role_required("marketer")
def restore(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    lifecycle.restore(pk)
    audit.record(request, "restored automation", automation)
    messages.success(request, "Restored as a draft. Activate it when it is to run again.")
    return redirect(automation)
