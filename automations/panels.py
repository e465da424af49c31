"""The card on a contact's page: which automations it is in, and was in."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, Exists, IntegerField, Value, When
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from automations import starting
from automations.models import Run
from automations.models.run import OPEN
from contacts import panels
from contacts.views.access import may_edit

SHOWN = 8


def register() -> None:
    panels.register(
        panels.Panel("automations", "Automations", "automations/_panel.html", _panel, order=200, along=_by_hand)
    )


def _by_hand() -> dict[str, Combinable]:
    return {"some_start_by_hand": Exists(starting.startable())}


def _panel(contact: Any, request: HttpRequest) -> dict[str, Any] | None:
    """Those under way first, then the newest. None where there was never one and none can be started."""
    over = Case(
        When(state__in=OPEN, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    found = Run.objects.get_queryset().filter(contact=contact).select_related("automation").order_by(over, "-pk")
    runs = list(found[: SHOWN + 1])
    may_start = may_edit(request) and contact.merged_into_id is None and contact.some_start_by_hand
    if not runs and not may_start:
        return None
    return {
        "runs": runs[:SHOWN],
        "more": len(runs) > SHOWN,
        "may_start": may_start,
    }
