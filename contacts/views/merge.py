"""Merging two contacts: choose the other one, compare, merge, and undo within a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.htmx import render_fragment_or_page
from common.text import storable
from contacts import merging
from contacts.fields import fields_of
from contacts.models import Contact, ContactMerge
from contacts.showing import show
from users.roles import require, role_required

OFFERED = 20


@dataclass(frozen=True)
class Compared:
    """A field of both contacts and after the merge, as people read it."""

    label: str
    kept: Any
    gone: Any
    merged: Any


@require_safe
@role_required("marketer")
def choose(request: HttpRequest, pk: int) -> HttpResponseBase:
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    words = storable(request.GET.get("q", "")).strip()[:200]
    others = Contact.objects.present().filter(is_test=contact.is_test).exclude(pk=contact.pk)
    found = list(others.search(words).order_by("-updated_at", "-pk")[: OFFERED + 1]) if words else []
    context = {"contact": contact, "q": words, "found": found[:OFFERED], "has_more": len(found) > OFFERED}
    return render_fragment_or_page(request, "contacts/merge.html", "contacts/merge_choices.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def compare(request: HttpRequest, pk: int, other: int) -> HttpResponseBase:
    """`pk` is kept, `other` moves into it. POST merges."""
    kept, gone = (get_object_or_404(Contact.objects.present(), pk=one) for one in (pk, other))
    refusal = merging.refusal(kept, gone)
    if request.method == "POST" and not refusal:
        try:
            merging.merge(kept.pk, gone.pk, require(request, "marketer"), request=request)
        except merging.CannotMerge as error:
            refusal = str(error)
        else:
            messages.success(request, "Contacts merged")
            return redirect(kept)
    context = {"contact": kept, "gone": gone, "refusal": refusal, "lines": [] if refusal else _lines(kept, gone)}
    return render(request, "contacts/merge_compare.html", context, status=422 if refusal else 200)


@require_POST
@role_required("marketer")
def undo(request: HttpRequest, pk: int) -> HttpResponseBase:
    done = get_object_or_404(ContactMerge.objects.select_related("kept", "gone"), pk=pk)
    try:
        merging.undo(done.pk, require(request, "marketer"), request=request)
    except merging.CannotMerge as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Merge undone. {done.gone} is a contact of its own again.")
    return redirect(done.kept)


def _lines(kept: Contact, gone: Contact) -> list[Compared]:
    """Only fields that either of the two has."""
    merged = merging.preview(kept, gone)
    fields = {field.key: field for one in (kept, gone) for field in fields_of(one)}
    lines = [
        Compared(field.label, *(show(one.value(key), field) for one in (kept, gone, merged)))
        for key, field in fields.items()
    ]
    return [line for line in lines if line.kept != "" or line.gone != ""]
