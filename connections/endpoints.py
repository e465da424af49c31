"""The public webhook endpoint: verify the raw bytes, store once, answer. Everything else happens later."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from common.encryption import SecretUnreadable
from common.origin import Origin
from connections import inbox
from connections.models import Connection
from connections.sources.stripe import signature, translate
from connections.sources.stripe.translate import Unreadable

logger = logging.getLogger(__name__)
LARGEST_BODY = 1024 * 1024


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """200 once the event is committed. 404 unknown address, 410 disconnected, 413 too large, 400 not signed by Stripe,
    503 when the database cannot take it: Stripe then keeps it for three days.
    """
    try:
        connection = Connection.objects.filter(hook_token=token, source="stripe").first()
        if connection is None:
            return HttpResponseNotFound()
        if not connection.is_connected:
            return HttpResponse(status=410)
        if _length(request) > LARGEST_BODY:
            return HttpResponse(status=413)
        body = request.body
        if not signature.is_genuine(body, request.headers.get("Stripe-Signature", ""), _secrets(connection)):
            logger.warning("A delivery was not signed by Stripe", extra={"connection": connection.pk})
            return HttpResponse(status=400)
        return _take(connection, body)
    except DatabaseError:
        logger.exception("A delivery could not be stored")
        return HttpResponse(status=503, headers={"Retry-After": "10"})


def _take(connection: Connection, body: bytes) -> HttpResponse:
    try:
        event = translate.parse(body)
        about = translate.envelope(event)
    except Unreadable as error:
        # A refusal would have Stripe send it for three days; it would not get better.
        inbox.store_unreadable(connection, f"unreadable-{hashlib.sha256(body).hexdigest()[:40]}", body, str(error))
        return HttpResponse(status=200)
    if about.livemode is not None and about.livemode == connection.is_test:
        logger.warning("A delivery of the other mode was refused", extra={"connection": connection.pk})
        return HttpResponse(status=400)
    if about.account and about.account != connection.account:
        logger.warning("A delivery of another account was refused", extra={"connection": connection.pk})
        return HttpResponse(status=400)
    inbox.store(connection, about, body, Origin.WEBHOOK)
    return HttpResponse(status=200)


def _secrets(connection: Connection) -> list[str]:
    """The endpoint's secret, and for a day the one before it."""
    fields = ["webhook_secret"]
    if connection.previous_secret_until and connection.previous_secret_until > datetime.now(UTC):
        fields.append("previous_secret")
    try:
        return [secret.open() for field in fields if (secret := connection.open(field))]
    except SecretUnreadable:
        logger.exception("A webhook secret does not open", extra={"connection": connection.pk})
        return []


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return LARGEST_BODY + 1
