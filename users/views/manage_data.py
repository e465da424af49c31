"""Settings, Manage data: the order of each kind of record's fields, for the whole workspace."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from common import manage_data
from common.htmx import is_fragment, trigger
from users.roles import role_required


@require_safe
@role_required("marketer")
def kinds(request: HttpRequest) -> HttpResponseBase:
    return render(request, "settings/manage_data.html", {"entries": manage_data.entries()})


@require_safe
@role_required("marketer")
def fields(request: HttpRequest, kind: str) -> HttpResponseBase:
    return render(request, "settings/fields.html", _context(_entry(kind)))


@require_POST
@role_required("marketer")
def order(request: HttpRequest, kind: str) -> HttpResponseBase:
    """`up` or `down` name a field to move by one; else `key`, repeated, is the new order and `moved` what was dragged.

    `reset` goes back to the order of the beginning.
    """
    entry = _entry(kind)
    told = _apply(request, entry)
    if not is_fragment(request):
        messages.success(request, told)
        return redirect("users:fields", kind)
    response = render(request, "settings/_fields.html", _context(entry))
    return trigger(response, "announce", message=told)


def _entry(kind: str) -> manage_data.Entry:
    if found := manage_data.entry(kind):
        return found
    raise Http404


def _apply(request: HttpRequest, entry: manage_data.Entry) -> str:
    """Does what was asked for; a sentence about it."""
    for name, steps in (("up", -1), ("down", 1)):
        if key := request.POST.get(name):
            return _place(entry, key, entry.fields.move(key, steps))
    if request.POST.get("reset"):
        entry.fields.put([])
        return "Fields are in their default order"
    return _place(entry, request.POST.get("moved", ""), entry.fields.put(request.POST.getlist("key")))


def _place(entry: manage_data.Entry, key: str, keys: list[str]) -> str:
    if key not in keys:
        return "Field order saved"
    return f"{entry.fields.by_key[key].label}: place {keys.index(key) + 1} of {len(keys)}"


def _context(entry: manage_data.Entry) -> dict[str, object]:
    return {"entry": entry, "fields": entry.fields.ordered()}
