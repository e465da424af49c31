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
    """`?instead=` the id of a trigger puts the chosen one in its place."""
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
    automation, declared = found(pk), _declared(key)
    instead = request.GET.get("instead", "")
    return _form(request, automation, declared, instead if _find(automation, instead) else "", {})


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int, place: str) -> HttpResponseBase:
    automation = found(pk)
    stored = _find(automation, place)
    if stored is None and request.method == "POST":
        # Somebody removed it meanwhile: what was written is not lost.
        return _form(request, automation, _declared(request.POST.get("key", "")), place, {})
    stored = _at(automation, place)
    return _form(request, automation, _declared(stored["key"]), place, stored)


@require_POST
@role_required("marketer")
def remove(request: HttpRequest, pk: int, place: str) -> HttpResponseBase:
    automation = found(pk)
    _at(automation, place)
    rest = [one for one in automation.triggers if one["id"] != place]
    try:
        write(request, automation, triggers=rest)
    except lifecycle.ChangedMeanwhile:
        return changed_meanwhile(request, pk)
    return answer(request, pk)


def _form(
    request: HttpRequest, automation: Automation, declared: Trigger, place: str, stored: dict[str, Any]
) -> HttpResponseBase:
    """`place`: id of the trigger that is changed or replaced; "" for one more."""
    data = request.POST if request.method == "POST" else None
    form = TriggerForm(declared, data, stored, _url(automation, declared, place, stored))
    is_fine = form.is_valid()
    if is_fine and "try" not in request.POST:
        return _save(request, automation, form, place, stored)
    tries = trying.tries(declared, form.stored, is_test=automation.is_test) if is_fine else None
    refused = data is not None and not form.acted and not is_fine
    context = {"form": form, "declared": declared, "url": form.drawn.url, "tries": tries}
    return _drawn(request, automation, context, 422 if refused else 200)


def _save(
    request: HttpRequest, automation: Automation, form: TriggerForm, place: str, stored: dict[str, Any]
) -> HttpResponseBase:
    triggers = [{**form.stored, "id": place} if one["id"] == place else one for one in automation.triggers]
    if _find(automation, place) is None:
        triggers.append(form.stored)
    try:
        write(request, automation, triggers=triggers)
    except lifecycle.ChangedMeanwhile:
        automation = found(automation.pk)
        is_there = not place or _find(automation, place) is not None
        form.problems.append(_CHANGED if is_there else _REMOVED)
        url = _url(automation, form.declared, place if is_there else "", stored if is_there else {})
        return _drawn(request, automation, {"form": form, "declared": form.declared, "url": url}, 409)
    return saved(request, automation, "Trigger saved")


_CHANGED = "Somebody else changed this automation meanwhile. Save again to keep your trigger."
_REMOVED = "Somebody else removed this trigger meanwhile. Save again to add it anew."


def _drawn(request: HttpRequest, automation: Automation, context: dict[str, Any], status: int) -> HttpResponseBase:
    fragment = "_trigger_form" if request.method == "POST" and is_fragment(request) else "_trigger"
    return sheet(request, automation, f"automations/{fragment}.html", context, status=status)


def _url(automation: Automation, declared: Trigger, place: str, stored: dict[str, Any]) -> str:
    if stored:
        return reverse("automations:trigger", args=[automation.pk, place])
    url = reverse("automations:trigger-add", args=[automation.pk, declared.key])
    return f"{url}?instead={place}" if place else url


def _declared(key: str) -> Trigger:
    declared = trigger(key)
    if declared is None:
        raise Http404
    return declared


def _find(automation: Automation, place: str) -> dict[str, Any] | None:
    return next((one for one in automation.triggers if one["id"] == place), None)


def _at(automation: Automation, place: str) -> dict[str, Any]:
    one = _find(automation, place)
    if one is None:
        raise Http404
    return one
