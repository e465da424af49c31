"""What starts an automation: chosen from a list in sections, then told more closely."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automations import lifecycle, trying
from automations.declarations import Trigger, by_section, trigger
from automations.forms.trigger import TriggerForm
from automations.models import Automation
from automations.views.drafts import answer, changed_meanwhile, found, saved, sheet, write
from common.htmx import is_fragment
from users.roles import role_required


@require_safe
@role_required("marketer")
def choose(request: HttpRequest, pk: int) -> HttpResponseBase:
    """`?instead=0` puts the chosen one in the place of another."""
    sections = [
        {
            "name": name,
            "triggers": [one for one in offered if not one.unavailable()],
            "why": _why_not(offered),
        }
        for name, offered in by_section().items()
    ]
    context = {"sections": sections, "instead": request.GET.get("instead", "")}
    return sheet(request, found(pk), "automations/_choose_trigger.html", context)


def _why_not(offered: list[Trigger]) -> tuple[str, ...]:
    """Reasons why some of a section cannot be chosen, each once."""
    reasons = [(one.label, reason) for one in offered if (reason := one.unavailable())]
    if len(reasons) == len(offered):
        return tuple(dict.fromkeys(reason for _, reason in reasons))
    return tuple(f"{label}: {reason}" for label, reason in reasons)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def add(request: HttpRequest, pk: int, key: str) -> HttpResponseBase:
    automation = found(pk)
    declared = _declared(key)
    instead = request.GET.get("instead", "")
    place = int(instead) if instead.isdecimal() and int(instead) < len(automation.triggers) else None
    url = reverse("automations:trigger-add", args=[pk, key]) + (f"?instead={place}" if place is not None else "")
    return _form(request, automation, declared, url, place, {})


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int, position: int) -> HttpResponseBase:
    automation = found(pk)
    stored = _at(automation, position)
    url = reverse("automations:trigger", args=[pk, position])
    return _form(request, automation, _declared(stored["key"]), url, position, stored)


@require_POST
@role_required("marketer")
def remove(request: HttpRequest, pk: int, position: int) -> HttpResponseBase:
    automation = found(pk)
    _at(automation, position)
    rest = [one for place, one in enumerate(automation.triggers) if place != position]
    try:
        write(request, automation, triggers=rest)
    except lifecycle.ChangedMeanwhile:
        return changed_meanwhile(request, pk)
    return answer(request, pk)


def _form(
    request: HttpRequest, automation: Automation, declared: Trigger, url: str, place: int | None, stored: dict[str, Any]
) -> HttpResponseBase:
    data = request.POST if request.method == "POST" else None
    form = TriggerForm(declared, data, stored, url)
    is_fine = form.is_valid()
    if is_fine and "try" not in request.POST:
        return _save(request, automation, form, place)
    tries = trying.tries(declared, form.stored, is_test=automation.is_test) if is_fine else None
    refused = data is not None and not form.acted and not is_fine
    context = {"form": form, "declared": declared, "url": url, "place": place, "tries": tries, "stored": stored}
    fragment = "automations/_trigger_form.html" if data is not None and is_fragment(request) else _TRIGGER
    return sheet(request, automation, fragment, context, status=422 if refused else 200)


_TRIGGER = "automations/_trigger.html"


def _save(request: HttpRequest, automation: Automation, form: TriggerForm, place: int | None) -> HttpResponseBase:
    triggers = list(automation.triggers)
    if place is None:
        triggers.append(form.stored)
    else:
        triggers[place] = form.stored
    try:
        write(request, automation, triggers=triggers)
    except lifecycle.ChangedMeanwhile:
        form.problems.append("Somebody else changed this automation meanwhile. Save again to keep your trigger.")
        context = {"form": form, "declared": form.declared, "url": request.get_full_path(), "place": place}
        fragment = "automations/_trigger_form.html" if is_fragment(request) else _TRIGGER
        return sheet(request, found(automation.pk), fragment, context, status=409)
    return saved(request, automation, "Trigger saved")


def _declared(key: str) -> Trigger:
    declared = trigger(key)
    if declared is None:
        raise Http404
    return declared


def _at(automation: Automation, position: int) -> dict[str, Any]:
    if position >= len(automation.triggers):
        raise Http404
    one: dict[str, Any] = automation.triggers[position]
    return one
