"""What `/health/` watches of the mails."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Min

from campaigns import delivery
from campaigns.models import Mail, Sending
from common import health


def register() -> None:
    health.register("mails", _mails, limit=timedelta(minutes=30), worked_by="stripe")
    health.register("campaigns to queue", _sendings, limit=timedelta(minutes=15), worked_by="inbox")


def _mails() -> datetime | None:
    """Without a way to send any, mails wait for somebody to set one up."""
    if not delivery.is_configured():
        return None
    oldest: datetime | None = Mail.objects.due().aggregate(oldest=Min("next_attempt_at"))["oldest"]
    return oldest


def _sendings() -> datetime | None:
    oldest: datetime | None = Sending.objects.due().aggregate(oldest=Min("next_attempt_at"))["oldest"]
    return oldest
