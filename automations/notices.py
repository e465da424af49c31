"""Mails to colleagues: asked for inside a transaction, sent outside of any, at most once."""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models.functions import Now

from automations.models import Notice
from campaigns import delivery
from campaigns.delivery import Carrier, Unreachable, Verdict
from campaigns.models import DeliverySettings
from campaigns.rendering import one_line
from common.due import State
from users.models import User

# Few, as each may wait for a slow mail server within the lease of its claim.
BATCH = 5
DRAIN_SECONDS = 20
_UNKNOWN = "The worker stopped while it sent this. Whether it arrived is not known, so it is not sent again."


def queue(user: User, subject: str, text: str, *, key: str, url: str = "") -> None:
    """Have a mail sent, inside the caller's transaction. Once for ever by `key`. `url`: a page of ours it is about."""
    body = f"{text}\n\n{settings.SITE_URL}{url}" if url else text
    Notice.objects.bulk_create([Notice(user=user, subject=subject[:200], text=body, key=key)], ignore_conflicts=True)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Send what is due until nothing is, the mail server does not answer or the time is up. How many were worked."""
    if not delivery.is_configured():
        return 0
    ends, worked = time.monotonic() + seconds, 0
    Notice.objects.release_expired()
    while time.monotonic() < ends and (notices := Notice.objects.claim(BATCH)):
        worked += len(notices)
        if not _send(notices, ends):
            break
    return worked


def _send(notices: list[Notice], ends: float) -> bool:
    """False when nothing more is worth trying now; what was not tried is due again."""
    carrier: Carrier | None = None
    try:
        for place, notice in enumerate(notices):
            if time.monotonic() >= ends:
                for waiting in notices[place:]:
                    waiting.later(timedelta(0))
                return False
            if notice.handed_at:
                notice.mark(State.DEAD, code="unknown", error=_UNKNOWN)
                continue
            try:
                carrier = carrier or Carrier()
                carrier.ready()
            except Unreachable as error:
                for waiting in notices[place:]:
                    waiting.failed(code="mail", error=str(error))
                return False
            _hand(notice, carrier)
    finally:
        if carrier:
            carrier.close()
    return time.monotonic() < ends


def _hand(notice: Notice, carrier: Carrier) -> None:
    mine = Notice.objects.filter(pk=notice.pk, claim_no=notice.claim_no, state=State.RUNNING)
    if not mine.filter(handed_at=None).update(handed_at=Now()):
        return
    sender = DeliverySettings.current().sender
    mail = EmailMultiAlternatives(one_line(notice.subject), notice.text, sender, [notice.user.email])
    result = carrier.hand_over(mail)
    match result.verdict:
        case Verdict.SENT:
            notice.mark(State.DONE)
        case Verdict.UNKNOWN:
            notice.mark(State.DEAD, code="unknown", error=result.detail)
        case _:
            # Refused: nothing left.
            mine.update(handed_at=None)
            notice.failed(code="mail", error=result.detail, permanent=result.verdict == Verdict.NEVER)
