"""One contact: what is known, and what happened."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from common.along import read
from common.htmx import render_fragment_or_page
from contacts import cards, panels
from contacts.models import Contact, Tag
from contacts.views.access import may_edit
from users.roles import role_required


@require_safe
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    contact = get_object_or_404(cards.with_parts(Contact.objects.select_related("merged_into")), pk=pk)
    if contact.merged_into:
        messages.info(request, f"{contact} was merged into this contact")
        return redirect(contact.merged_into)
    context = {
        "contact": contact,
        "tags": read(Tag, contact.tags_told),
        "main": panels.cards(contact, request, "main"),
        "side": panels.cards(contact, request, "side"),
        "may_edit": may_edit(request),
        "merges": cards.merges(contact) if may_edit(request) else (),
    }
    return render(request, "contacts/detail.html", context)


@require_safe
@role_required("staff")
def activity(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The timeline alone: filtered, or from a cursor on. The older lines come as a list of their own."""
    contact = get_object_or_404(cards.with_timeline(Contact.objects.present()), pk=pk)
    context = cards.activity(contact, request)
    fragment = "contacts/_activities.html" if request.GET.get("before") else "contacts/_activity.html"
    return render_fragment_or_page(request, "contacts/activity.html", fragment, context)
