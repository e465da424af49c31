"""A test contact sent through the draft: what would happen, step by step. Nothing is written and nothing is sent."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from automations import trying, walking
from automations.declarations import Sample, trigger
from automations.forms.automation import ContactForm
from automations.models import Automation
from automations.views.drafts import found, of_flow
from common.htmx import is_fragment
from contacts.models import Activity, Contact
from users.roles import role_required


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def walk(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    samples = _samples(automation)
    form = ContactForm(is_test=automation.is_test)
    context: dict[str, Any] = {"samples": samples, "chosen": ""}
    status = 200
    if request.method == "POST":
        chosen = request.POST.get("sample", "")
        sample = next((one for one in samples if str(one.activity_id) == chosen), None)
        contact = _of_sample(sample)
        if contact is None:
            form = ContactForm(request.POST, is_test=automation.is_test)
            contact = form.contact if form.is_valid() else None
        status = 200 if contact else 422
        context |= {"chosen": chosen, "contact": contact, "sample": sample}
        context["passed"] = _walked(automation, contact, sample) if contact else None
    shown = {**of_flow(request, automation), **context, "form": form, "steps": []}
    fragment = "automations/_walk.html" if is_fragment(request) else "automations/walk.html"
    return render(request, fragment, shown, status=status)


def _walked(automation: Automation, contact: Contact, sample: Sample | None) -> list[walking.Passed]:
    known = sample.activity_id if sample else None
    activity = Activity.objects.filter(pk=known).first() if known else None
    return walking.walk(automation, contact, activity)


def _of_sample(sample: Sample | None) -> Contact | None:
    known = sample.contact_id if sample else None
    return Contact.objects.present().filter(pk=known).first() if known else None


def _samples(automation: Automation) -> list[Sample]:
    """What happened lately that its triggers would have started on, newest first."""
    tries: list[Any] = []
    for one in automation.triggers:
        if declared := trigger(one["key"]):
            tries += trying.tries(declared, one, is_test=automation.is_test)
    fitting = [found.sample for found in tries if found.starts and found.sample.activity_id]
    return sorted(fitting, key=lambda sample: sample.occurred_at, reverse=True)[: trying.SHOWN]
