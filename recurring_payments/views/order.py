"""Settings, Manage data: the order of the fields, for the whole workspace."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from common import manage_data as data
from common.htmx import is_fragment, trigger
from recurring_payments import field_order
from recurring_payments.fields import BY_KEY
from users.roles import role_required


@require_safe
@role_required("marketer")
def manage_data(request: HttpRequest) -> HttpResponseBase:
    return render(request, "recurring_payments/manage_data.html", {"entries": data.entries()})


@require_safe
@role_required("marketer")
def fields(request: HttpRequest) -> HttpResponseBase:
    return render(request, "recurring_payments/fields.html", _context())


@require_POST
@role_required("marketer")
def change(request: HttpRequest) -> HttpResponseBase:
    """`up` or `down` name a field to move by one; else `key`, repeated, is the new order and `moved` what was dragged.

    `reset` goes back to the order of the beginning.
    """
    told = _apply(request)
    if not is_fragment(request):
        messages.success(request, told)
        return redirect("recurring_payments:fields")
    response = render(request, "recurring_payments/_fields.html", _context())
    return trigger(response, "announce", message=told)


def _apply(request: HttpRequest) -> str:
    """Does what was asked for; a sentence about it."""
    for name, steps in (("up", -1), ("down", 1)):
        if key := request.POST.get(name):
            return _place(key, field_order.move(key, steps))
    if request.POST.get("reset"):
        field_order.put([])
        return "Fields are in their default order"
    return _place(request.POST.get("moved", ""), field_order.put(request.POST.getlist("key")))


def _place(key: str, keys: list[str]) -> str:
    if key not in keys:
        return "Field order saved"
    return f"{BY_KEY[key].label}: place {keys.index(key) + 1} of {len(keys)}"


def _context() -> dict[str, object]:
    return {"fields": field_order.ordered_fields(), "last_on_contact": field_order.ON_CONTACT}
