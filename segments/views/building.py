"""The builder's own address: answers the part anew when a row was added, removed or changed, whatever form it is in."""

from __future__ import annotations

import re

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST

from common.htmx import trigger
from segments.builder import Builder
from segments.compiling import contacts_matching
from segments.fields import CONTACT, ORDER, RECURRING_PAYMENT
from users.roles import role_required

_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,60}")


@require_POST
@role_required("staff")
def builder(request: HttpRequest) -> HttpResponseBase:
    """Saves nothing. Whoever counts matches while somebody writes listens for `conditions-changed`."""
    prefix, scope = request.GET.get("prefix", ""), request.GET.get("scope", CONTACT)
    if not _PREFIX.fullmatch(prefix) or scope not in (CONTACT, RECURRING_PAYMENT, ORDER):
        raise Http404
    required = request.GET.get("required") != "0"
    built = Builder(prefix, request.POST, scope=scope, required=required)
    return trigger(render(request, "segments/_builder.html", {"builder": built}), "conditions-changed")


@require_POST
@role_required("staff")
def estimate(request: HttpRequest) -> HttpResponseBase:
    """How many contacts match the conditions written so far. Rows that are not complete are left out."""
    prefix = request.GET.get("prefix", "")
    if not _PREFIX.fullmatch(prefix):
        raise Http404
    return render(request, "segments/_estimate.html", {"estimate": estimated(Builder(prefix, request.POST))})


def estimated(built: Builder) -> int | None:
    """None while no condition is complete."""
    group = built.sketch()
    return contacts_matching(group).count() if group else None
