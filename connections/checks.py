"""The hourly look at our endpoint: deleted, disabled or changed at Stripe, it is repaired and the gap is polled."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Now

from connections import api, polling, reconcile, webhooks
from connections.models import Connection, ConnectionStatus
from connections.sources.base import SourceError

logger = logging.getLogger(__name__)
EVERY = timedelta(hours=1)
# Where Stripe could not be asked: when we look again, and how long nobody is told, as deliveries may well come in.
AGAIN, PATIENCE = timedelta(minutes=1), timedelta(hours=3)


def drain() -> int:
    """Check every connection whose hour has come. Returns how many were checked."""
    checked = 0
    while (connection := _claim()) is not None:
        check(connection)
        checked += 1
    return checked


def check(connection: Connection) -> str:
    """Bring the endpoint in step and remember what stands in the way. Returns that, in words, or "".

    That Stripe could not be asked is no fault of the endpoint; it is remembered only after a while.
    """
    before, asked = connection.endpoint_id, set(connection.endpoint_events)
    error, mended, passes = "", "", False
    try:
        mended = webhooks.ensure(connection)
    except webhooks.EndpointCap as cap:
        error = (
            f"Stripe already has {cap.count} webhook endpoints. Delete or disable one in Stripe, then choose Repair."
        )
    except api.Rekeyed as rekeyed:
        # It is looked at again with the new key, if there is one.
        if _was_disconnected(connection):
            return ""
        soon(connection)
        return rekeyed.message
    except SourceError as refusal:
        api.note(connection, refusal)
        error, passes = refusal.message, not refusal.permanent
    if _was_disconnected(connection):
        return ""
    status = ConnectionStatus.objects.filter(pk=connection.pk)
    if passes:
        status.update(next_check_at=Now() + AGAIN)
        if not connection.polls:
            status.update(unchecked_since=Coalesce("unchecked_since", Now()))
    else:
        status.update(checked_at=Now(), unchecked_since=None)
    if error and (not passes or _not_seen_for_long(connection)):
        webhooks.current(connection).update(endpoint_error=error)
    if mended or connection.endpoint_id != before or set(connection.endpoint_events) - asked:
        # Events of the time without an endpoint, or without being asked for, are not sent again.
        polling.soon(connection)
    if mended:
        status.update(mended=mended, mended_at=Now())
        reconcile.soon(connection)
    return error


def _not_seen_for_long(connection: Connection) -> bool:
    """Was Stripe asked about the endpoint for hours, and each time in vain? How long nobody asked does not count: an
    account that polls has no endpoint to ask about.
    """
    return ConnectionStatus.objects.filter(pk=connection.pk, unchecked_since__lt=Now() - PATIENCE).exists()


def soon(connection: Connection) -> None:
    """Look at the endpoint at the next ring: what is connected has changed."""
    ConnectionStatus.objects.filter(pk=connection.pk).update(next_check_at=Now())


def _was_disconnected(connection: Connection) -> bool:
    """Was it disconnected while we asked, and perhaps connected again? Then an endpoint that we made goes again, by our
    copy of the key.
    """
    if webhooks.current(connection).exists():
        return False
    if connection.endpoint_id:
        try:
            api.ungated_client_of(connection).delete(f"/v1/webhook_endpoints/{connection.endpoint_id}")
        except SourceError as error:
            if error.code != "resource_missing":
                logger.warning("An endpoint was left at Stripe: %s", error.message, extra={"connection": connection.pk})
    return True


def try_webhook(connection: Connection) -> str:
    """Somebody asks for the webhook now, also where polling was the wish until now. Returns what stands in the way."""
    if connection.delivery == Connection.Delivery.POLLING:
        connection.delivery = Connection.Delivery.AUTO
        error = check(connection)
        if error or connection.polls:
            # It did not come about, so the wish stays what it was.
            connection.delivery = Connection.Delivery.POLLING
        Connection.objects.filter(pk=connection.pk).update(delivery=connection.delivery)
        return error
    return check(connection)


def _claim() -> Connection | None:
    """A connection whose endpoint is to be looked at.

    One that polls has none. It gets one unasked only where polling was nobody's wish: Stripe refused our address, and
    we have another one now.
    """
    refused = Q(connection__delivery=Connection.Delivery.AUTO) & ~Q(connection__refused_address=settings.SITE_URL)
    with transaction.atomic():
        status = (
            ConnectionStatus.objects.filter(next_check_at__lte=Now(), connection__state=Connection.State.ACTIVE)
            .filter(Q(connection__polls=False) | refused)
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if status is None:
            return None
        ConnectionStatus.objects.filter(pk=status.pk).update(next_check_at=Now() + EVERY)
    return status.connection
