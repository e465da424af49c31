"""Mails among the work that `bin/manage work` does without workers."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now

from campaigns import delivery, direct, sending
from campaigns.models import Mail, Sending
from common.due import State
from connections import idle

_NOW = Q(state=State.RUNNING) | Q(state=State.DUE, next_attempt_at__lte=Now())


def register() -> None:
    idle.register("campaigns to queue", direct.drain, lambda: Sending.objects.filter(_NOW).count())
    idle.register("mails", sending.drain, _mails)


def _mails() -> int:
    """Without a way to send any, mails wait for somebody to set one up; idle is idle all the same."""
    return Mail.objects.filter(_NOW).count() if delivery.is_configured() else 0
