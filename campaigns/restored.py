"""Mails that were waiting when a backup was taken: they may have left since, so after a restore none leaves alone."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from campaigns.models import Campaign, Mail, Sending
from common.due import State
from contacts.merging import hold_merges

CODE = "restored"
WHY = "It was waiting when the backup was taken that was restored, and may have been sent since."


@transaction.atomic
def hold_back() -> tuple[int, list[Campaign]]:
    """How many mails nobody knows about now, and the campaigns whose time had come, which are cancelled: they may have
    gone out as a whole. One whose time is still to come stays as it is.
    """
    hold_merges()
    waiting = Mail.objects.filter(outcome=Mail.Outcome.QUEUED)
    mails = waiting.update(
        state=State.DONE,
        outcome=Mail.Outcome.UNKNOWN,
        claims=0,
        lease_until=None,
        told_at=None,
        last_error_code=CODE,
        last_error=WHY,
    )
    going_out = Sending.objects.filter(state__in=[State.DUE, State.RUNNING], starts_at__lte=Now())
    campaigns = list(Campaign.objects.filter(sending__in=going_out).order_by("pk"))
    going_out.update(
        state=State.DONE,
        claim_no=F("claim_no") + 1,
        claims=0,
        lease_until=None,
        cancelled_at=Now(),
        finished_at=Now(),
    )
    return mails, campaigns
