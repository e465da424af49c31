"""Recurring payments that could not be brought up to date: why, when they are tried again, and trying now."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from connections import failed_derivations, update_lines
from connections.views.log import frame
from users import audit
from users.roles import role_required

SHOWN = 100


@require_safe
@role_required("marketer")
def updates(request: HttpRequest) -> HttpResponseBase:
    """Those set aside first."""
    return render(request, "connections/updates.html", frame(request) | {"lines": update_lines.lines(SHOWN)})


@require_POST
@role_required("marketer")
def retry(request: HttpRequest) -> HttpResponseBase:
    """Try the named one now; without a name, all that are set aside."""
    name = request.POST.get("update", "")
    with transaction.atomic():
        found = [update_lines.chosen(name)] if name else failed_derivations.set_aside()
        count = sum(failed_derivations.try_again(rows) for rows in found)
        if count:
            audit.record(request, "retried updates", name or f"{count} updates")
    if count:
        messages.success(request, "Millrace tries again now. What fails again comes back to this list.")
    else:
        messages.info(request, "There was nothing to try: it is being worked on, or went well meanwhile.")
    return redirect("connections:updates")


@require_POST
@role_required("marketer")
def dismiss(request: HttpRequest) -> HttpResponseBase:
    """Warn no more of what is set aside. Order or recurring payment stays as it is until its account tells a change."""
    name = request.POST.get("update", "")
    with transaction.atomic():
        dismissed = failed_derivations.dismiss(update_lines.chosen(name))
        if dismissed:
            audit.record(request, "dismissed update", name)
    if dismissed:
        messages.success(request, "The update is dismissed. The next change at Stripe is applied as usual.")
    return redirect("connections:updates")
