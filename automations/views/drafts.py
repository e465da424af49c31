"""What the views of a draft have in common: find it, write it, undo the last change, answer with the flow."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST

from automations import figures, lifecycle, picture
from automations.models import Automation
from common import once
from common.htmx import close_layer, is_fragment, toast, trigger, with_messages
from contacts.models import Tag
from contacts.views.access import may_edit
from users.roles import role_required

CHANGED = "Somebody else changed this automation meanwhile. This is how it stands now; try again if it is still right."
UNDO = "automation_undo"


def found(pk: int) -> Automation:
    return get_object_or_404(Automation.objects.select_related("current"), pk=pk)


def revision_of(request: HttpRequest, automation: Automation) -> int:
    """Which state of the draft the person was looking at."""
    sent = request.POST.get("revision", "")
    return int(sent) if sent.isdecimal() and len(sent) < 10 else automation.revision


def write(request: HttpRequest, automation: Automation, **values: Any) -> Automation:
    """Save parts of the draft, and keep what was there for Undo. ChangedMeanwhile."""
    before = {name: getattr(automation, name) for name in ("triggers", "steps", "exit_conditions")}
    saved = lifecycle.save_draft(automation.pk, revision_of(request, automation), **values)
    request.session[UNDO] = {"automation": automation.pk, "revision": saved.revision, "before": before}
    return saved


def can_undo(request: HttpRequest, automation: Automation) -> bool:
    kept = request.session.get(UNDO) or {}
    return kept.get("automation") == automation.pk and kept.get("revision") == automation.revision


@require_POST
@role_required("marketer")
def undo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take the last change of this person back, unless something was changed after it."""
    automation = found(pk)
    if not can_undo(request, automation):
        messages.info(request, "There is nothing to undo.")
        return answer(request, pk)
    kept = request.session[UNDO]
    lifecycle.save_draft(pk, kept["revision"], **kept["before"])
    del request.session[UNDO]
    messages.success(request, "Undone")
    return answer(request, pk)


def changed_meanwhile(request: HttpRequest, pk: int) -> HttpResponseBase:
    messages.error(request, CHANGED)
    return answer(request, pk, status=409)


def saved(request: HttpRequest, automation: Automation, sentence: str) -> HttpResponseBase:
    """A sheet did its work: it closes and the flow loads again, or the window goes to the automation."""
    if not is_fragment(request):
        messages.success(request, sentence)
        return redirect(automation)
    return toast(trigger(close_layer(), "flow-changed"), sentence)


def answer(request: HttpRequest, pk: int, *, status: int = 200) -> HttpResponseBase:
    """The flow as it is now, for a button within it."""
    if not is_fragment(request):
        return redirect("automations:detail", pk)
    context = {**of_flow(request, found(pk)), "out_of_band": True}
    return with_messages(request, render(request, "automations/_flow.html", context, status=status))


def of_flow(request: HttpRequest, automation: Automation) -> dict[str, Any]:
    """What the flow and the head of its page show."""
    with once.a_page():
        drawn = picture.of(automation)
    return {
        "automation": automation,
        "picture": drawn,
        "figures": figures.of([automation])[automation.pk],
        "older": figures.older_versions(automation),
        "may_edit": may_edit(request) and automation.state != Automation.State.ARCHIVED,
        "can_undo": can_undo(request, automation),
        "steps": stages(automation, bool(drawn.triggers), bool(drawn.line.steps)),
    }


def stages(automation: Automation, has_trigger: bool, has_step: bool) -> list[dict[str, str]]:
    """The three steps from nothing to a flow that runs; none once it has run."""
    if automation.current_id:
        return []
    done = [has_trigger, has_step, False]
    names = ["Choose a trigger", "Add an action", "You are connected"]
    current = done.index(False)
    states = ["done" if is_done else "current" if place == current else "next" for place, is_done in enumerate(done)]
    return [{"name": name, "url": "", "state": state} for name, state in zip(names, states, strict=True)]


def sheet(
    request: HttpRequest, automation: Automation, fragment: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponseBase:
    """A dialog or drawer about an automation; without htmx a page of its own."""
    names = SimpleLazyObject(lambda: list(Tag.objects.values_list("name", flat=True)[:2000]))
    context = {"automation": automation, "revision": automation.revision, "tag_names": names, **context}
    if is_fragment(request):
        return with_messages(request, render(request, fragment, context, status=status))
    return render(request, "automations/sheet.html", {**context, "sheet": fragment}, status=status)
