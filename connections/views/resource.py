"""A resource's page: what it syncs, which records that makes, its mapping and its imports."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from common.htmx import render_fragment_or_page
from connections import fence, mapping_words, resource_lines, setup
from connections.forms.switches import ResourceForm
from connections.models import Connection, Resource
from connections.record_kinds import KINDS, event_lines
from users import audit
from users.roles import role_required

RUNS = 10
VERSIONS = 10


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def resource(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = _active(pk)
    before = {"events": list(found.events), "data": found.data}
    form = ResourceForm(found, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        after = {"events": found.events, "data": found.data}
        audit.record(request, "changed resource", found, **{key: (before[key], after[key]) for key in after})
        messages.success(request, f"{found} is saved. It applies to events from now on.")
        return redirect("connections:resource", pk=found.pk)
    context = {
        "resource": found,
        "connection": found.connection,
        "line": resource_lines.lines(Resource.objects.filter(pk=found.pk))[0],
        "form": form,
        "kinds": KINDS,
        "event_lines": event_lines(found, form.chosen_events),
        "mapping_rows": mapping_words.rows(found),
        "versions": list(found.mappings.select_related("created_by").order_by("-number")[:VERSIONS]),
        "runs": list(found.runs.imports().select_related("started_by").order_by("-pk")[:RUNS]),
    }
    return render(request, "connections/resource.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask first, then stop syncing it. Everything it brought stays."""
    found = _active(pk)
    if request.method != "POST":
        context = {"resource": found, "connection": found.connection}
        return render_fragment_or_page(
            request, "connections/remove_resource.html", "connections/_remove_resource.html", context
        )
    try:
        setup.remove_resource(found)
    except fence.Busy as busy:
        messages.error(request, busy.message)
        return redirect("connections:app")
    audit.record(request, "disconnected resource", found, account=found.connection.name)
    messages.success(request, f"{found} is disconnected. Everything it brought is still here.")
    return redirect("connections:app")


def _active(pk: int) -> Resource:
    return get_object_or_404(
        Resource.objects.active()
        .filter(connection__in=Connection.objects.connected())
        .select_related("connection__status", "mapping"),
        pk=pk,
    )
