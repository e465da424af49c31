"""One delivery: what was sent, each try, and sending it again."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from automations import trouble
from automations.destinations import queueing
from automations.destinations.models import Delivery
from common.htmx import render_fragment_or_page
from users import audit
from users.roles import role_required


@never_cache
@require_safe
@role_required("marketer")
def delivery(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Loads itself again until it is over."""
    found = get_object_or_404(Delivery.objects.select_related("destination", "contact", "run__automation"), pk=pk)
    context = {"delivery": found, "tries": found.tries.all()[:20], "body": _readable(found.body)}
    return render_fragment_or_page(
        request, "automations/destinations/delivery.html", "automations/destinations/_delivery.html", context
    )


@require_POST
@role_required("marketer")
def resend(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(Delivery, pk=pk)
    if queueing.resend(found):
        audit.record(request, "resent delivery", found)
        messages.success(request, "It is sent again, under the same ID.")
    else:
        messages.info(request, "It is on its way already.")
    return redirect(found)


@require_POST
@role_required("marketer")
def dismiss(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A failed one that nobody wants to send any more."""
    found = get_object_or_404(Delivery, pk=pk)
    if trouble.dismiss_delivery(found):
        audit.record(request, "dismissed delivery", found)
        messages.success(request, "Dismissed. It can still be sent again.")
    else:
        messages.info(request, "It has not failed.")
    return redirect(found)


def _readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
