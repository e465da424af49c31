"""Contacts on their way: who entered when and why, and what became of each step."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from automations import picture, runs, standing, trouble
from automations.destinations.models import Delivery
from automations.models import Run, RunStep
from automations.views.drafts import found, of_flow
from campaigns.models import Mail
from common.due import State
from common.htmx import is_fragment
from connections.models import SyncLogEntry
from contacts.models import Contact
from contacts.views.access import may_edit
from users import audit
from users.roles import require, role_required

PAGE = 50
_MARKS = {
    RunStep.Result.DONE: ("circle-check", "ok"),
    RunStep.Result.BRANCH: ("git-merge", "ok"),
    RunStep.Result.WAITING: ("clock", "info"),
    RunStep.Result.RETRY: ("rotate-ccw", "warn"),
    RunStep.Result.FAILED: ("circle-x", "bad"),
    RunStep.Result.ENDED: ("log-out", "none"),
    RunStep.Result.SKIPPED: ("circle-minus", "none"),
    RunStep.Result.NOTE: ("info", "none"),
}


@require_safe
@role_required("staff")
def all_runs(request: HttpRequest) -> HttpResponseBase:
    return _listed(request, Run.objects.get_queryset(), {"automation": None}, "automations/runs.html")


@require_safe
@role_required("staff")
def of_automation(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    known = Run.objects.get_queryset().filter(automation=automation)
    return _listed(request, known, of_flow(request, automation), "automations/automation_runs.html")


def _listed(request: HttpRequest, known: QuerySet[Run], context: dict[str, Any], page: str) -> HttpResponseBase:
    word, contact = request.GET.get("state", ""), _number(request.GET.get("contact", ""))
    rows = standing.of_standing(known, word)
    if contact:
        rows = rows.filter(contact=contact)
    if before := _number(request.GET.get("before", "")):
        rows = rows.filter(pk__lt=before)
    shown = list(rows.select_related("automation", "contact", "version").order_by("-pk")[: PAGE + 1])
    context |= {
        "runs": [(run, picture.label_of(run.version.steps, run.step)) for run in shown[:PAGE]],
        "older_than": shown[PAGE - 1].pk if len(shown) > PAGE else None,
        "is_later": bool(before),
        "state": word,
        "labels": standing.LABELS,
        "about": Contact.objects.filter(pk=contact).first() if contact else None,
    }
    return render(request, "automations/_runs.html" if is_fragment(request) else page, context)


@require_safe
@role_required("staff")
def run(request: HttpRequest, pk: int) -> HttpResponseBase:
    one = _run(pk)
    lines = list(one.log.order_by("pk"))
    mails = _mails(lines)
    deliveries = _deliveries(one) if may_edit(request) else {}
    log = [
        {
            "line": line,
            "label": picture.label_of(one.version.steps, line.step),
            "mark": _MARKS[RunStep.Result(line.result)],
            "body_id": f"body-{line.pk}",
            "delivery": deliveries.get(line.step),
            "mail": line.mail_id or mails.get(f"run:{pk}:{line.step}" if line.action == "send_mail" else ""),
        }
        for line in lines
    ]
    context = {
        "run": one,
        "automation": one.automation,
        "log": log,
        "next": picture.label_of(one.version.steps, one.step) if one.step else "",
        "event": _event(one),
        "may_edit": may_edit(request),
        "in_trouble": trouble.is_in(one),
        "is_live": one.state in (State.DUE, State.RUNNING) and not one.wake_at,
    }
    return render(request, "automations/_run.html" if is_fragment(request) else "automations/run.html", context)


@require_POST
@role_required("marketer")
def retry(request: HttpRequest, pk: int) -> HttpResponseBase:
    one = _run(pk)
    if runs.retry(Run.objects.get_queryset().filter(pk=pk)):
        audit.record(request, "retried run", one.automation, run=one.pk, contact=str(one.contact))
        messages.success(request, "The failed step is tried again now.")
    else:
        messages.info(request, _WHY_NOT[one.automation.is_archived])
    return redirect(one)


_WHY_NOT = {
    True: "The automation is archived. Restore it before its runs go on.",
    False: "This run has not failed, so there is nothing to try again.",
}


@require_POST
@role_required("marketer")
def retry_failed(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All failed runs of an automation, after their cause was mended."""
    automation = found(pk)
    if automation.is_archived:
        messages.info(request, _WHY_NOT[True])
    else:
        count = runs.retry(Run.objects.get_queryset().filter(automation=automation))
        audit.record(request, "retried failed runs", automation, runs=count)
        messages.success(request, f"{count} failed run{'' if count == 1 else 's'} tried again now.")
    return redirect("automations:automation-runs", pk)


@require_POST
@role_required("marketer")
def end(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A contact leaves."""
    one, by = _run(pk), require(request, "marketer")
    if runs.stop(Run.objects.get_queryset().filter(pk=pk), f"Ended by {by}."):
        audit.record(request, "ended run", one.automation, run=pk, contact=str(one.contact))
        messages.success(request, "The contact left the automation.")
    else:
        messages.info(request, "The run was over already.")
    return redirect(one)


@require_POST
@role_required("marketer")
def dismiss(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What failed is let be. A run that goes on does so."""
    one, by = _run(pk), require(request, "marketer")
    if trouble.dismiss(Run.objects.get_queryset().filter(pk=pk), str(by)):
        audit.record(request, "dismissed failed run", one.automation, run=pk, contact=str(one.contact))
        messages.success(request, "Dismissed. The log stays to be read.")
    else:
        messages.info(request, "Nothing of this run waits for somebody.")
    return redirect(one)


@require_POST
@role_required("marketer")
def dismiss_failed(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Everything of an automation that failed, where nothing is to be tried again."""
    automation, by = found(pk), require(request, "marketer")
    count = trouble.dismiss(Run.objects.get_queryset().filter(automation=automation), str(by))
    audit.record(request, "dismissed failed runs", automation, runs=count)
    messages.success(request, f"{count} run{'' if count == 1 else 's'} dismissed. Their log stays to be read.")
    return redirect("automations:automation-runs", pk)


def _run(pk: int) -> Run:
    joined = Run.objects.select_related(
        "automation", "automation__current", "version", "contact", "activity", "recurring_payment", "order"
    )
    return get_object_or_404(joined, pk=pk)


def _mails(lines: list[RunStep]) -> dict[str, int]:
    """Key -> mail, of the steps that send one. The line that one was queued comes with it and cannot name it."""
    keys = {f"run:{line.run_id}:{line.step}" for line in lines if line.action == "send_mail"}
    return dict(Mail.objects.filter(key__in=keys).values_list("key", "pk")) if keys else {}


def _deliveries(one: Run) -> dict[str, Delivery]:
    """Step -> what it sent to a destination. A step of a run sends once."""
    return {delivery.step: delivery for delivery in Delivery.objects.filter(run=one).only("step")}


def _event(one: Run) -> SyncLogEntry | None:
    """The row of the sync log with the event that started it. What follows from an event of Stripe, such as a recurring
    payment's change, does not name the row: it is the one of that object at that moment.
    """
    if one.activity is None:
        return None
    entry = one.activity.data.get("log")
    if isinstance(entry, int):
        return SyncLogEntry.objects.filter(pk=entry).first()
    told = SyncLogEntry.objects.filter(contact=one.contact_id, occurred_at=one.activity.occurred_at)
    if one.recurring_payment:
        told = told.filter(object_id=one.recurring_payment.store_recurring_payment_id)
    return told.exclude(event_id="").order_by("pk").first()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
