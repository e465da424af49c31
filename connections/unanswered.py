"""What Stripe gives no answer to, or only a fault, while it answers other requests: given up in the end, and told."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from connections.models import Connection, ConnectionStatus
from connections.sources.base import SourceError

# A little more than the time from one poll to the next.
_LATELY = timedelta(minutes=75)


def answers_others(connection: Connection) -> bool:
    """Whether polls are answered. What is asked for while they are not says nothing of what was asked for."""
    return ConnectionStatus.objects.filter(pk=connection.pk, polled_at__gte=Now() - _LATELY).exists()


def final(what: str) -> SourceError:
    """The refusal of what is given up. `what`: the object or list in words."""
    words = f"Stripe gave no answer for {what}, however often it was asked, though it answers other requests."
    return SourceError(words, permanent=True, code="unanswered")
