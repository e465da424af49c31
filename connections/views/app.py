"""The Stripe app page: its accounts, their resources, what happened last, and how events reach us."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from common.htmx import is_fragment
from connections import account_checks, clock, log_lines, overview
from connections.log_counts import Today
from connections.models import Connection, SyncLogEntry
from connections.overview import Account
from users.roles import role_required

RECENT = 8


@require_safe
@role_required("marketer")
def app(request: HttpRequest) -> HttpResponseBase:
    frame = _frame("resources", first=request.GET.get("account", ""))
    context = frame | {"unfinished": overview.unfinished(), "recent": _recent()}
    return render(request, "connections/app.html", context)


@require_safe
@role_required("marketer")
def recent(request: HttpRequest) -> HttpResponseBase:
    """The card of the newest log rows, which loads itself again; without htmx the log itself."""
    if not is_fragment(request):
        return redirect("connections:log")
    return render(request, "connections/_recent.html", {"recent": _recent()})


@require_safe
@role_required("marketer")
def facts(request: HttpRequest, pk: int) -> HttpResponseBase:
    """An account's strip of facts, which loads itself again."""
    connection = get_object_or_404(Connection.objects.connected(), pk=pk)
    if not is_fragment(request):
        return redirect("connections:app")
    account = overview.accounts(Connection.objects.connected().filter(pk=connection.pk))[0]
    return render(request, "connections/_facts.html", {"account": account})


@require_safe
@role_required("marketer")
def checks(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Where the comparison with Stripe stands; it asks again while one is under way."""
    connection = get_object_or_404(Connection.objects.connected().select_related("status"), pk=pk)
    if not is_fragment(request):
        return redirect("connections:webhooks")
    account = Account(connection, [], Today(), check=account_checks.newest([pk]).get(pk))
    return render(request, "connections/_check.html", {"account": account})


@require_safe
@role_required("marketer")
def webhooks(request: HttpRequest) -> HttpResponseBase:
    context = _frame("webhooks")
    return render(
        request, "connections/webhooks.html", context | {"accounts": overview.with_checks(context["accounts"])}
    )


def _frame(tab: str, *, first: str = "") -> dict[str, Any]:
    """`first` is the account whose card leads: the one that was just set up."""
    accounts = sorted(overview.accounts(), key=lambda account: str(account.connection.pk) != first)
    return {
        "tab": tab,
        "accounts": accounts,
        "is_connected": bool(accounts),
        "log_size": overview.log_size(accounts),
        "wrong_clock": (wrong_clock := _wrong_clock(accounts)),
        "headline": headline(accounts, wrong_clock),
    }


def _wrong_clock(accounts: list[Account]) -> str:
    usable = [account for account in accounts if account.connection.state == Connection.State.ACTIVE]
    ahead = [account.connection.status.clock_ahead for account in usable]
    return clock.wrong(ahead, usable[0].lag.read_at if usable else None)


def headline(accounts: list[Account], wrong_clock: str) -> dict[str, str]:
    """Badge beside the heading, for all accounts together."""
    if not accounts:
        return {"kind": "neutral", "word": "Not connected"}
    if not wrong_clock and all(account.healthy for account in accounts):
        return {"kind": "ok", "word": "Connected"}
    return {"kind": "warn", "word": "Needs attention"}


def _recent() -> list[log_lines.LogLine]:
    # What is ignored stands in the log; here it would push away what happened.
    told = SyncLogEntry.objects.exclude(result=SyncLogEntry.Result.IGNORED)
    return log_lines.lines(list(log_lines.readable(told.order_by("-pk"))[:RECENT]))
