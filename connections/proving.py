"""A webhook that follows polling: believed once a delivery came by it, given up when events come and none does.

Stripe takes any address that looks public. Until one is proven, the events are asked for as before, so none comes late.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from common.due import database_now
from common.origin import Origin
from connections import api, webhooks
from connections.models import Connection, InboundEvent
from connections.sources.base import SourceError

logger = logging.getLogger(__name__)
# So many events that the webhook should have brought, in so long, and none by it: nobody is there.
ENOUGH = 5
PATIENCE = timedelta(minutes=10)


def look(connection: Connection) -> None:
    """Decide, if there is something to decide by."""
    since = connection.unproven_since
    if since is None:
        return
    came = InboundEvent.objects.filter(connection=connection, received_at__gte=since)
    if came.filter(via=Origin.WEBHOOK).exists():
        Connection.objects.filter(pk=connection.pk).update(unproven_since=None)
    elif connection.delivery == Connection.Delivery.AUTO and database_now() - since > PATIENCE:
        missed = came.filter(via=Origin.POLL, type__in=connection.endpoint_events, occurred_at__gte=since)
        if missed[:ENOUGH].count() == ENOUGH:
            _give_up(connection)


def _give_up(connection: Connection) -> None:
    try:
        webhooks.give_up(connection)
    except SourceError as error:
        # The next poll tries again.
        api.note(connection, error)
        logger.warning("A webhook by which nothing comes could not be removed", extra={"connection": connection.pk})
