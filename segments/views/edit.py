"""Making, changing, copying and deleting segments."""

from __future__ import annotations

from itertools import chain, count
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from common.htmx import render_fragment_or_page
from segments import usage
from segments.builder import Builder
from segments.conditions import ConditionError, Group, as_json, parse_loosely
from segments.forms import SegmentForm
from segments.models import Segment
from segments.searching import CONDITIONS, from_parameter
from segments.views.building import estimated
from segments.words import describe
from users import audit
from users.roles import require, role_required

PREFIX = "conditions"


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def create(request: HttpRequest) -> HttpResponseBase:
    """`?conditions=` brings those of a search along."""
    segment = Segment(created_by=require(request, "marketer"))
    return _form(request, segment, _brought(request))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    segment = get_object_or_404(Segment, pk=pk)
    return _form(request, segment, _readable(segment))


@require_POST
@role_required("marketer")
def duplicate(request: HttpRequest, pk: int) -> HttpResponseBase:
    segment = get_object_or_404(Segment, pk=pk)
    copy = Segment(name=_free_name(segment.name), conditions=segment.conditions)
    copy.created_by = require(request, "marketer")
    with transaction.atomic():
        copy.save()
        audit.record(request, "created segment", copy, copied_from=segment.name)
    messages.success(request, f"Segment “{copy}” created")
    return redirect("segments:edit", copy.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
@transaction.atomic
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Refused while something uses it: whoever it was for would be asked of nobody."""
    # The whole row on purpose: nobody begins to use it between the question and the end.
    known = Segment.objects.select_for_update() if request.method == "POST" else Segment.objects.all()
    segment = get_object_or_404(known, pk=pk)
    uses = usage.uses_of(segment)
    if request.method == "POST" and not uses:
        audit.record(request, "deleted segment", segment, conditions=segment.conditions)
        segment.delete()
        messages.success(request, f"Segment “{segment}” deleted")
        return redirect("segments:list")
    status = 409 if request.method == "POST" else 200
    context = {"segment": segment, "uses": uses}
    return render_fragment_or_page(request, "segments/delete.html", "segments/_delete.html", context, status=status)


def _form(request: HttpRequest, segment: Segment, initial: Group) -> HttpResponseBase:
    sent = request.POST if request.method == "POST" else None
    form, builder = SegmentForm(sent, instance=segment), Builder(PREFIX, sent, initial)
    acted = builder.acted or (sent is not None and "count" in sent)
    if sent is not None and not acted:
        form, is_saved = _checked(request, segment, builder)
        if is_saved:
            messages.success(request, f"Segment “{form.instance}” saved")
            return redirect(form.instance)
    if acted:
        form = SegmentForm(initial={name: request.POST.get(name, "") for name in ("name", "seen")})
    context: dict[str, Any] = {"form": form, "builder": builder, "segment": segment if segment.pk else None}
    context["estimate"] = estimated(Builder(PREFIX, sent, initial))
    return render(request, "segments/form.html", context, status=422 if sent is not None and not acted else 200)


@transaction.atomic
def _checked(request: HttpRequest, segment: Segment, builder: Builder) -> tuple[SegmentForm, bool]:
    """The form, and whether what is in it was saved. Held from the check to the save, and no longer: counting matches
    takes time. Campaigns may name it all the same.
    """
    if segment.pk:
        segment = get_object_or_404(Segment.objects.select_for_update(no_key=True), pk=segment.pk)
    before = {"name": segment.name, "conditions": segment.conditions} if segment.pk else {}
    form = SegmentForm(request.POST, instance=segment)
    if not all([form.is_valid(), builder.is_valid()]):
        return form, False
    segment.conditions = as_json(builder.group)
    form.save()
    told: dict[str, Any] = {"name": segment.name, "conditions": describe(builder.group)}
    if before:
        told = {name: (value, getattr(segment, name)) for name, value in before.items()}
    audit.record(request, "changed segment" if before else "created segment", segment, **told)
    return form, True


def _brought(request: HttpRequest) -> Group:
    try:
        return from_parameter(request.GET.get(CONDITIONS) or "{}")
    except ConditionError:
        return Group()


def _readable(segment: Segment) -> Group:
    """The conditions, those that cannot be read any more among them: the form says what is wrong."""
    try:
        return parse_loosely(segment.conditions)
    except ConditionError:
        return Group()


def _free_name(name: str) -> str:
    """«Trials (copy)», «Trials (copy 2)»: the first that nobody has."""
    base = name[:130]
    names = chain([f"{base} (copy)"], (f"{base} (copy {number})" for number in count(2)))
    return next(one for one in names if not Segment.objects.filter(name=one).exists())
