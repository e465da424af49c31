"""Have events of the log applied again: one, or all that a filter shows."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.due import State
from common.htmx import is_fragment, render_fragment_or_page
from connections import log_entries, log_lines, overview, replaying, retention, stored_events
from connections.filters import LogFilter
from connections.models import BulkReplay, InboundEvent, SyncLogEntry
from connections.models.bulk_replay import COUNTED
from users import audit
from users.roles import role_required


@require_POST
@role_required("marketer")
def replay(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Apply the event of a row again. It changes nothing that is newer and makes nothing twice."""
    entry = get_object_or_404(SyncLogEntry.objects.select_related("inbound", "connection"), pk=pk)
    event = entry.inbound if entry.connection.is_connected else None
    with transaction.atomic():
        count = stored_events.replay([event]) if event else 0
        if count:
            audit.record(request, "replayed event", entry.event_id or str(entry.pk), type=entry.event_type)
    if count:
        messages.success(request, f"{entry.event_type or 'The event'} is applied again now.")
    else:
        messages.info(request, _why_not(entry))
    if not is_fragment(request):
        return redirect("connections:log-entry", pk=pk)
    context = log_entries.detail(get_object_or_404(log_lines.readable(SyncLogEntry.objects.all()), pk=pk))
    return render_fragment_or_page(request, "connections/log_entry.html", "connections/_entry.html", context)


@require_POST
@role_required("marketer")
def dismiss(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Warn no more of an event that is set aside. Its row stays, and its payload for thirty days."""
    entry = get_object_or_404(SyncLogEntry, pk=pk)
    with transaction.atomic():
        events = InboundEvent.objects.filter(log=entry)
        dismissed = events.filter(state=State.DEAD).update(state=State.DONE)
        if dismissed:
            retention.empty_old(events)
            audit.record(request, "dismissed event", entry.event_id, type=entry.event_type)
    if dismissed:
        messages.success(request, "The event is dismissed. Its row stays in the log.")
    return redirect("connections:log-entry", pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def replay_selection(request: HttpRequest) -> HttpResponseBase:
    """Ask first, then apply again every event the filter shows. The filter is the address."""
    chosen = _kept(request.GET)
    rows = replaying.replayable(chosen)
    found = rows[: COUNTED + 1].count()
    back = reverse("connections:log") + "?" + urlencode(chosen)
    if request.method != "POST":
        context = {
            "count": found,
            "shown": overview.number_text(found),
            "back": back,
            "is_set": bool(chosen),
            "at_once": replaying.PAGE,
        }
        return render_fragment_or_page(
            request, "connections/replay_selection.html", "connections/_replay_selection.html", context
        )
    if found > replaying.PAGE:
        return _begin(request, chosen, found)
    with transaction.atomic():
        count = stored_events.replay_ids(list(rows.values_list("inbound", flat=True)))
        audit.record(request, "replayed events", f"{count} events", filter=chosen)
    messages.success(
        request, "1 event is applied again now." if count == 1 else f"{count} events are applied again now."
    )
    return redirect(back)


def _begin(request: HttpRequest, chosen: dict[str, str], found: int) -> HttpResponseBase:
    with transaction.atomic():
        bulk = replaying.begin(chosen, found, request.user)
        audit.record(request, "replayed events", f"{overview.number_text(found)} events", filter=chosen)
    messages.success(
        request, f"{overview.number_text(found)} events are applied again, page by page. You can leave this page."
    )
    return redirect("connections:bulk-replay", pk=bulk.pk)


@require_safe
@role_required("marketer")
def bulk(request: HttpRequest, pk: int) -> HttpResponseBase:
    """How far a replay of many events is. Asks again while it goes on."""
    found = get_object_or_404(BulkReplay.objects.get_queryset().select_related("started_by"), pk=pk)
    context = {"bulk": found, "back": reverse("connections:log") + "?" + urlencode(found.filter)}
    return render_fragment_or_page(request, "connections/bulk_replay.html", "connections/_bulk_replay.html", context)


@require_POST
@role_required("marketer")
def stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(BulkReplay, pk=pk)
    if replaying.stop(found):
        audit.record(request, "stopped replay", str(found))
        messages.success(request, "The replay is stopped. What was handed over already is still applied.")
    return redirect("connections:bulk-replay", pk=pk)


def _kept(query: QueryDict) -> dict[str, str]:
    return {name: str(query[name]) for name in LogFilter.base_filters if query.get(name)}


def _why_not(entry: SyncLogEntry) -> str:
    if not entry.connection.is_connected:
        return "This account is disconnected. Connect it again, then choose Replay."
    if entry.inbound is None:
        return "This row came with the history. Import the history again to read it anew."
    if entry.inbound.body is None:
        return "The payload of this event is no longer held, so it cannot be applied again."
    return "This event is in the queue already."
