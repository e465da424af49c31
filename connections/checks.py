"""The hourly look at our endpoint: deleted, disabled or changed at Stripe, it is repaired and the gap is polled."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from connections import api, polling, webhooks
from connections.models import Connection, ConnectionStatus
from connections.sources.base import SourceError

logger = logging.getLogger(__name__)
EVERY = timedelta(hours=1)


def drain() -> int:
    """Check every connection whose hour has come. Returns how many were checked."""
    checked = 0
    while (connection := _claim()) is not None:
        check(connection)
        checked += 1
    return checked


def check(connection: Connection) -> str:
    """Bring the endpoint in step and remember what stands in the way. Returns that, in words, or ""."""
    before = connection.endpoint_id
    error = ""
    try:
        webhooks.ensure(connection)
    except webhooks.EndpointCap as cap:
        error = (
            f"Stripe already has {cap.count} webhook endpoints. Delete or disable one in Stripe, then choose Repair."
        )
    except SourceError as refusal:
        api.note(connection, refusal)
        error = refusal.message
    if error:
        Connection.objects.filter(pk=connection.pk).update(endpoint_error=error)
    ConnectionStatus.objects.filter(pk=connection.pk).update(checked_at=Now())
    if connection.endpoint_id != before:
        # Events sent while there was no endpoint are not sent again.
        polling.soon(connection)
    return error


def _claim() -> Connection | None:
    with transaction.atomic():
        status = (
            ConnectionStatus.objects.filter(next_check_at__lte=Now(), connection__state=Connection.State.ACTIVE)
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if status is None:
            return None
        ConnectionStatus.objects.filter(pk=status.pk).update(next_check_at=Now() + EVERY)
    return status.connection
