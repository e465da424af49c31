"""Imports of a resource's history: begin, pause, go on, cancel, and how far they are."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from common.htmx import is_fragment, target_id, trigger
from connections import historical, resource_lines, setup
from connections.models import Connection, Resource, SyncRun
from connections.sources.base import SourceError
from users import audit
from users.roles import role_required


@require_POST
@role_required("marketer")
def start(request: HttpRequest, pk: int) -> HttpResponseBase:
    resource = get_object_or_404(
        Resource.objects.active().filter(connection__in=Connection.objects.usable()).select_related("connection"), pk=pk
    )
    try:
        historical.start(resource, until=setup.stripe_time(resource.connection), user=request.user)
    except SourceError as refusal:
        messages.error(request, refusal.message)
    else:
        audit.record(request, "started history", resource)
        messages.success(request, f"The history of {resource} is being imported. You can leave this page.")
    return redirect("connections:resource", pk=resource.pk)


@require_POST
@role_required("marketer")
def pause(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _change(request, pk, historical.pause, "paused history", "The import is paused. New events still arrive.")


@require_POST
@role_required("marketer")
def resume(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _change(request, pk, historical.resume, "resumed history", "The import goes on where it stood.")


@require_POST
@role_required("marketer")
def cancel(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _change(
        request, pk, historical.cancel, "cancelled history", "The import is cancelled. What it brought stays."
    )


@require_safe
@role_required("marketer")
def progress(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Where an import stands: a table's status cell, or on the resource's page its row. Asks again while it moves."""
    run = _run(pk)
    if not is_fragment(request):
        return redirect("connections:resource", pk=run.resource_id)
    line = resource_lines.of_resource(run.resource_id)
    if target_id(request).startswith("run-"):
        line.run = SyncRun.objects.select_related("started_by").prefetch_related("windows").get(pk=run.pk)
        response = render(request, "connections/_run.html", {"run": line.run, "line": line})
    else:
        response = render(request, "connections/_progress_of_row.html", {"line": line, "out_of_band": True})
    if not run.is_open and not line.moves:
        trigger(response, "announce", message=f"The import of {run.resource} has ended: {run.get_state_display()}.")
    return response


def _change(
    request: HttpRequest, pk: int, change: Callable[[SyncRun], bool], action: str, sentence: str
) -> HttpResponseBase:
    run = _run(pk)
    if change(run):
        audit.record(request, action, run.resource)
        messages.success(request, sentence)
    else:
        messages.info(request, f"The import is {run.get_state_display().lower()}, so nothing was changed.")
    return redirect("connections:resource", pk=run.resource_id)


def _run(pk: int) -> SyncRun:
    return get_object_or_404(
        SyncRun.objects.imports().filter(resource__removed_at=None).select_related("resource__connection"), pk=pk
    )
