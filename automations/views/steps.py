"""What an automation does: steps chosen, told more closely, moved and taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automations import checking, flow, lifecycle, picture
from automations.declarations import Action, action, by_group
from automations.forms.step import StepForm
from automations.models import Automation
from automations.views.drafts import answer, changed_meanwhile, found, saved, sheet, write
from common.htmx import is_fragment
from users.roles import role_required

_STEP_GONE = "Somebody else removed this step meanwhile."
_WHERE_NOW = "Somebody else changed this automation meanwhile. Choose again where the step is to go."
_MEANWHILE = "Somebody else changed this automation meanwhile. Save again to keep your step."


@dataclass(frozen=True)
class Where:
    """A place in the tree: of the main line, or of a branch of a step."""

    parent: str
    branch: str
    position: int

    @classmethod
    def of(cls, values: Any) -> Where:
        position = values.get("position", "0")
        number = int(position) if position.isdecimal() and len(position) < 6 else 0
        return cls(values.get("parent", ""), values.get("branch", ""), number)

    @property
    def query(self) -> str:
        return urlencode([("parent", self.parent), ("branch", self.branch), ("position", str(self.position))])


@require_safe
@role_required("marketer")
def choose(request: HttpRequest, pk: int) -> HttpResponseBase:
    groups = [
        {"name": name, "actions": [(one, one.unavailable()) for one in offered]} for name, offered in by_group().items()
    ]
    context = {"groups": groups, "where": Where.of(request.GET)}
    return sheet(request, found(pk), "automations/_choose_action.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def add(request: HttpRequest, pk: int, key: str) -> HttpResponseBase:
    automation, declared, where = found(pk), _declared(key), Where.of(request.GET)
    url = f"{reverse('automations:step-add', args=[pk, key])}?{where.query}"
    return _form(request, automation, declared, url, {}, where=where)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int, step: str) -> HttpResponseBase:
    automation = found(pk)
    stored = _at(automation, step)
    url = reverse("automations:step", args=[pk, step])
    return _form(request, automation, _declared(stored["action"]), url, stored.get("parameters", {}), step=step)


@require_POST
@role_required("marketer")
def remove(request: HttpRequest, pk: int, step: str) -> HttpResponseBase:
    automation = found(pk)
    _at(automation, step)
    return _changed(request, automation, flow.remove(automation.steps, step))


@require_POST
@role_required("marketer")
def shift(request: HttpRequest, pk: int, step: str) -> HttpResponseBase:
    """One place up or down; at the end of a branch out of it."""
    automation = found(pk)
    _at(automation, step)
    return _changed(request, automation, _shifted(automation.steps, step, up="up" in request.POST))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def move(request: HttpRequest, pk: int, step: str) -> HttpResponseBase:
    """To any place of the flow, into a branch and out of one."""
    automation = found(pk)
    _at(automation, step)
    if request.method != "POST":
        return _asked_where(request, automation, step)
    parent, _, rest = request.POST.get("place", "").partition("|")
    branch, _, position = rest.partition("|")
    where = Where.of({"parent": parent, "branch": branch, "position": position})
    try:
        tree = flow.move(automation.steps, step, parent=where.parent, branch=where.branch, position=where.position)
        write(request, automation, steps=tree)
    except flow.NoSuchStep as error:
        raise Http404 from error
    except lifecycle.ChangedMeanwhile:
        return _asked_where(request, found(pk), step, _WHERE_NOW)
    return saved(request, automation, "Step moved")


def _asked_where(request: HttpRequest, automation: Automation, step: str, problem: str = "") -> HttpResponseBase:
    """The places there are now; none for a step that somebody removed."""
    stored = flow.find(automation.steps, step)
    context: dict[str, Any] = {"step": step, "problem": problem if stored else _STEP_GONE}
    if stored:
        context |= {"places": _places(flow.remove(automation.steps, step)), "label": picture.label(stored)}
    fragment = "_move_form" if problem and is_fragment(request) else "_move"
    return sheet(request, automation, f"automations/{fragment}.html", context, status=409 if problem else 200)


def _places(steps: flow.Steps, parent: str = "", branch: str = "", label: str = "") -> list[dict[str, str]]:
    """Every place a step may go to, in words, from top to bottom."""
    start = f"First in “{label}”" if label else "At the beginning"
    places = [{"value": f"{parent}|{branch}|0", "label": start}]
    for number, one in enumerate(steps, 1):
        name = picture.label(one)
        for key, called, inner in picture.branches_of(one):
            places += _places(inner, one["id"], key, f"{name}: {called}")
        places.append({"value": f"{parent}|{branch}|{number}", "label": f"After “{name}”"})
    return places


def _form(
    request: HttpRequest,
    automation: Automation,
    declared: Action,
    url: str,
    stored: dict[str, Any],
    *,
    where: Where | None = None,
    step: str = "",
) -> HttpResponseBase:
    data = request.POST if request.method == "POST" else None
    form = StepForm(declared, checking.brings(automation.triggers), data, stored, url)
    status = 200
    if form.is_valid():
        try:
            return _save(request, automation, form, where, step)
        except lifecycle.ChangedMeanwhile:
            automation, status = found(automation.pk), 409
            is_gone = step and flow.find(automation.steps, step) is None
            form.problems.append(_STEP_GONE if is_gone else _MEANWHILE)
    elif data is not None and not form.acted:
        status = 422
    fragment = "_step_form" if data is not None and is_fragment(request) else "_step"
    context = {"form": form, "declared": declared, "url": url, "step": step}
    return sheet(request, automation, f"automations/{fragment}.html", context, status=status)


def _save(
    request: HttpRequest, automation: Automation, form: StepForm, where: Where | None, step: str
) -> HttpResponseBase:
    declared = form.declared
    if where is None:
        write(request, automation, steps=flow.replace(automation.steps, step, form.values))
        return saved(request, automation, "Step saved")
    made = {"id": flow.new_id(automation.steps), "action": declared.key, "parameters": form.values}
    if declared.branches:
        made["branches"] = {name: [] for name, _ in declared.branches}
    try:
        tree = flow.insert(automation.steps, made, parent=where.parent, branch=where.branch, position=where.position)
    except flow.NoSuchStep as error:
        raise Http404 from error
    write(request, automation, steps=tree)
    return saved(request, automation, "Step added")


def _changed(request: HttpRequest, automation: Automation, steps: flow.Steps) -> HttpResponseBase:
    try:
        write(request, automation, steps=steps)
    except lifecycle.ChangedMeanwhile:
        return changed_meanwhile(request, automation.pk)
    if not is_fragment(request):
        messages.success(request, "Flow changed")
    return answer(request, automation.pk)


def _shifted(steps: flow.Steps, step: str, *, up: bool) -> flow.Steps:
    line, place, parent, _ = flow.place_of(steps, step)
    at_end = place == 0 if up else place == len(line) - 1
    if not at_end or not parent:
        return flow.shift(steps, step, up=up)
    _, above, grandparent, branch = flow.place_of(steps, parent)
    position = above if up else above + 1
    return flow.move(steps, step, parent=grandparent, branch=branch, position=position)


def _declared(key: str) -> Action:
    declared = action(key)
    if declared is None:
        raise Http404
    return declared


def _at(automation: Automation, step: str) -> flow.Step:
    one = flow.find(automation.steps, step)
    if one is None:
        raise Http404
    return one
