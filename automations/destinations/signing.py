"""Signatures of Standard Webhooks, and the secrets they are made with."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

from django.db.models.functions import Now
from standardwebhooks import Webhook

from automations.destinations.models import OVERLAP, Delivery, Destination
from common.due import database_now
from common.encryption import mask

SECRET_BYTES = 24


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def give_secret(destination: Destination) -> str:
    """A first or new secret, to be shown once. The one before it signs along for a day."""
    text = new_secret()
    if before := destination.open("secret"):
        destination.seal("previous_secret", before.open())
        destination.previous_secret_until = database_now() + OVERLAP
    destination.seal("secret", text)
    destination.secret_hint = mask(text)
    destination.save(update_fields=["secret_sealed", "secret_hint", "previous_secret_sealed", "previous_secret_until"])
    return text


def headers(destination: Destination, delivery: Delivery) -> dict[str, str]:
    """The three headers. The time is that of this try; the id is the same on every one."""
    now = datetime.now(UTC)
    signatures = [Webhook(secret).sign(delivery.message_id, now, delivery.body) for secret in _secrets(destination)]
    return {
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _secrets(destination: Destination) -> list[str]:
    until = destination.previous_secret_until
    fields = ["secret", "previous_secret"] if until and until > database_now() else ["secret"]
    return [secret.open() for field in fields if (secret := destination.open(field))]


def forget_old_secrets() -> int:
    """Secrets whose day of overlap is over."""
    old = Destination.objects.filter(previous_secret_until__lt=Now())
    return old.update(previous_secret_sealed=None, previous_secret_until=None)
