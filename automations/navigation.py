"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from automations.models import Run
from common import navigation
from common.due import State


def register() -> None:
    navigation.register("Connect", "Automations", "automations:list", "zap", order=10, attention=_failed)


def _failed(_request: HttpRequest) -> QuerySet[Run]:
    """Runs that failed for good within a week; older ones stay marked in the list."""
    lately = Run.objects.get_queryset().filter(state=State.DEAD, ended_at__gte=Now() - timedelta(days=7))
    return lately.exclude(automation__state="archived")
