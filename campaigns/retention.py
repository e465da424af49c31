"""What is removed by itself, a page at a time. Figures of campaigns stay: what goes was counted (`tallying`)."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Mail, SentCopy
from campaigns.tallying import fold, held
from common.clearing import PAGE, drop
from common.due import database_now

# What a mail said; that it was sent, to whom, and what became of it.
COPIES, MAILS = timedelta(days=45), timedelta(days=400)
DRAIN_SECONDS = 30


def clear_old(seconds: float = DRAIN_SECONDS) -> int:
    """Remove what is old until nothing is or the time is up; the next ring goes on. Returns how many rows went."""
    ends, now = time.monotonic() + seconds, database_now()
    cleared = drop(SentCopy.objects.filter(sent_at__lt=now - COPIES).order_by("sent_at"), ends)
    while time.monotonic() < ends:
        count = _mails(now)
        cleared += count
        if count < PAGE:
            break
    return cleared


@transaction.atomic
def _mails(now: datetime) -> int:
    """Those that still wait to leave stay, however long they have waited."""
    old = Mail.objects.filter(created_at__lt=now - MAILS).exclude(outcome=Mail.Outcome.QUEUED).order_by("created_at")
    page = list(held(old)[:PAGE])
    fold(page)
    Mail.objects.filter(pk__in=[mail.pk for mail in page]).delete()
    return len(page)
