"""The sync log: every event and history record, what it did, and what still waits."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from common.due import State
from common.htmx import render_fragment_or_page
from connections import log_entries, log_lines, overview, under_way
from connections.filters import LogFilter
from connections.health import attention
from connections.models import BulkReplay, Connection, FailedDerivation, Rederivation, SyncLogEntry
from connections.models.bulk_replay import COUNTED
from connections.sources.stripe.events import EVENTS
from users.roles import role_required

PAGE = 50


@require_safe
@role_required("marketer")
def log(request: HttpRequest) -> HttpResponseBase:
    """Newest first, paged by key: `?before=ID` goes on below that row."""
    chosen = LogFilter(request.GET, SyncLogEntry.objects.all())
    context = {
        **_page(request, chosen.qs),
        **frame(request),
        "filter": chosen,
        "event_types": sorted(EVENTS),
        "waiting_count": _waiting_count(),
        "bulk_replays": BulkReplay.objects.get_queryset().filter(finished_at=None).order_by("pk"),
    }
    return render_fragment_or_page(request, "connections/log.html", "connections/_log.html", context)


@require_safe
@role_required("marketer")
def waiting(request: HttpRequest) -> HttpResponseBase:
    """Events that are stored and not yet applied: in the queue, being retried, waiting for an object, or held.

    `?account=ID`: of one account.
    """
    account = request.GET.get("account", "")
    of_one = account.isascii() and account.isdigit() and len(account) < 19
    which = {"connection": int(account)} if of_one else {}
    rows = under_way.next_tried(PAGE + 1, **which)
    context = {
        "waiting": [log_lines.WaitingLine(event) for event in rows[:PAGE]],
        "waiting_count": _waiting_count(**which),
        "is_cut": len(rows) > PAGE,
        "shown": PAGE,
    }
    return render(request, "connections/waiting.html", context | frame(request))


@require_safe
@role_required("marketer")
def entry(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(log_lines.readable(SyncLogEntry.objects.select_related("mapping", "run")), pk=pk)
    return render_fragment_or_page(
        request, "connections/log_entry.html", "connections/_entry.html", log_entries.detail(found)
    )


def frame(request: HttpRequest) -> dict[str, Any]:
    """The head of the app's pages as its first one has it, without loading the accounts."""
    failed = FailedDerivation.objects.filter(connection=OuterRef("pk"))
    walks = Rederivation.objects.filter(connection=OuterRef("pk"), state=State.DEAD)
    connections = Connection.objects.connected().annotate(has_failed=Exists(failed) | Exists(walks))
    connected = list(connections.values_list("has_failed", flat=True))
    headline = {"kind": "ok", "word": "Connected"} if connected else None
    if attention(request):
        headline = {"kind": "warn", "word": "Needs attention"}
    return {
        "tab": "log",
        "headline": headline,
        "is_connected": bool(connected),
        "has_failed_updates": any(connected),
        "log_size": overview.log_size(),
    }


def _waiting_count(**which: int) -> str:
    return overview.number_text(under_way.counted(COUNTED + 1, **which))


def _page(request: HttpRequest, entries: QuerySet[SyncLogEntry]) -> dict[str, Any]:
    before = request.GET.get("before", "")
    below = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    page = entries if below is None else entries.filter(pk__lt=below)
    rows = list(log_lines.readable(page.order_by("-pk"))[: PAGE + 1])
    return {
        "lines": log_lines.lines(rows[:PAGE]),
        "older": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "is_first": below is None,
        "found": overview.counted(entries),
    }
