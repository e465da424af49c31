"""Segments: all of them, and one with the contacts that are in it now."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from common import once
from common.htmx import render_fragment_or_page
from contacts.models import Contact
from contacts.views.access import may_edit
from contacts.views.browse import SHOWN
from segments import usage
from segments.conditions import ConditionError
from segments.models import Segment
from segments.searching import NOBODY, segment_query
from segments.words import describe
from users.roles import role_required

PAGE = 50
CONTACTS = 25


@require_safe
@role_required("staff")
def segments(request: HttpRequest) -> HttpResponseBase:
    """The counts come after the page, one by one: none holds up the others."""
    page = Paginator(Segment.objects.order_by("name"), PAGE).get_page(request.GET.get("page"))
    used = usage.uses(page)
    with once.a_page():
        rows = [{"segment": one, "sentence": sentence(one), "uses": used[one.pk]} for one in page]
    context = {"page": page, "rows": rows, "may_edit": may_edit(request)}
    return render(request, "segments/list.html", context)


@require_safe
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    segment = get_object_or_404(Segment.objects.select_related("created_by"), pk=pk)
    query, problem = NOBODY, ""
    try:
        query = segment_query(segment)
    except ConditionError as error:
        problem = error.message
    found = Contact.objects.present().filter(query).order_by("-created_at", "-id").only(*SHOWN).with_slots()
    page = Paginator(found.prefetch_related("tags", "identities"), CONTACTS).get_page(request.GET.get("page"))
    context = {
        "segment": segment,
        "sentence": sentence(segment),
        "problem": problem,
        "page": page,
        "uses": usage.uses_of(segment),
        "may_edit": may_edit(request),
    }
    return render_fragment_or_page(request, "segments/detail.html", "segments/_contacts.html", context)


@require_safe
@role_required("staff")
def count(request: HttpRequest, pk: int) -> HttpResponseBase:
    segment = get_object_or_404(Segment, pk=pk)
    try:
        number = Contact.objects.present().filter(segment_query(segment)).count()
    except ConditionError as error:
        return render(request, "segments/_count.html", {"problem": error.message})
    return render(request, "segments/_count.html", {"count": number})


def sentence(segment: Segment) -> str:
    """Its conditions in words, as far as they can be read."""
    try:
        return describe(segment.group)
    except ConditionError as error:
        return error.message
