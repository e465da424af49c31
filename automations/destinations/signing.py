"""Signatures of Standard Webhooks, and the secrets they are made with."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

from django.db.models.functions import Now
from standardwebhooks import Webhook

from automations.destinations.models import OVERLAP, Delivery, Destination
from common.due import database_now
from common.encryption import SecretUnreadable, mask

SECRET_BYTES = 24
# So many sign along: whoever makes one after the other means the last.
OLD_SECRETS = 4


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def give_secret(destination: Destination) -> str:
    """A first or new secret, to be shown once. Those before it sign along for a day: the receiver may know any.

    One that does not open with FIELD_KEYS any more is forgotten; what waited for another leaves now.
    """
    text, before = new_secret(), _readable(destination)[:OLD_SECRETS]
    if before:
        destination.seal("previous_secret", " ".join(before))
        destination.previous_secret_until = database_now() + OVERLAP
    else:
        destination.previous_secret_sealed = destination.previous_secret_until = None
    destination.seal("secret", text)
    destination.secret_hint = mask(text)
    destination.save(update_fields=["secret_sealed", "secret_hint", "previous_secret_sealed", "previous_secret_until"])
    held = Destination.objects.filter(pk=destination.pk, state=Destination.State.HELD)
    if held.update(state=Destination.State.ACTIVE, error=""):
        destination.state, destination.error = Destination.State.ACTIVE, ""
    return text


def headers(destination: Destination, delivery: Delivery) -> dict[str, str]:
    """The three headers. The time is that of this try; the id is the same on every one."""
    now = datetime.now(UTC)
    secrets = [*_opened(destination, "secret"), *_older(destination)]
    signatures = [Webhook(secret).sign(delivery.message_id, now, delivery.body) for secret in secrets]
    return {
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _opened(destination: Destination, field: str) -> list[str]:
    """SecretUnreadable if what is stored does not open here."""
    secret = destination.open(field)
    return secret.open().split() if secret else []


def _older(destination: Destination) -> list[str]:
    """Newest first; empty once their day is over, or if they do not open any more."""
    until = destination.previous_secret_until
    if until is None or until <= database_now():
        return []
    try:
        return _opened(destination, "previous_secret")
    except SecretUnreadable:
        return []


def _readable(destination: Destination) -> list[str]:
    try:
        return [*_opened(destination, "secret"), *_older(destination)]
    except SecretUnreadable:
        return _older(destination)


def forget_old_secrets() -> int:
    """Secrets whose day of overlap is over."""
    old = Destination.objects.filter(previous_secret_until__lt=Now())
    return old.update(previous_secret_sealed=None, previous_secret_until=None)
