"""What Stripe gives no answer to, or only a fault, while it answers other requests: given up in the end, and told."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from connections.models import Connection, ConnectionStatus
from connections.sources.base import SourceError

# A little more than the time from one poll to the next.
_LATELY = timedelta(minutes=75)


def final(connection: Connection, what: str, tries: int, enough: int, error: SourceError) -> SourceError:
    """The refusal, or in its place one that trying again cannot help: after `enough` tries, where polls are answered.

    `what`: the object or list in words. While Stripe is away for everything nothing is given up.
    """
    if error.code != "unavailable" or tries < enough or not _answers_others(connection):
        return error
    words = f"Stripe gave no answer for {what}, however often it was asked, though it answers other requests."
    return SourceError(words, permanent=True, code="unanswered")


def _answers_others(connection: Connection) -> bool:
    return ConnectionStatus.objects.filter(pk=connection.pk, polled_at__gte=Now() - _LATELY).exists()
