"""Mails to colleagues: asked for inside a transaction, sent outside of any, at most once."""

from __future__ import annotations

import time

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models.functions import Now

from automations.models import Notice
from campaigns.delivery import Carrier, Result, Unreachable, Verdict
from campaigns.models import DeliverySettings
from campaigns.rendering import one_line
from common.due import State
from users.models import User

BATCH = 20
DRAIN_SECONDS = 20
_UNKNOWN = "The worker stopped while it sent this. Whether it arrived is not known, so it is not sent again."


def queue(user: User, subject: str, text: str, *, key: str, url: str = "") -> None:
    """Have a mail sent, inside the caller's transaction. Once for ever by `key`. `url`: a page of ours it is about."""
    body = f"{text}\n\n{settings.SITE_URL}{url}" if url else text
    Notice.objects.bulk_create([Notice(user=user, subject=subject[:200], text=body, key=key)], ignore_conflicts=True)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Send what is due until nothing is or the time is up. Returns how many were worked."""
    ends, worked = time.monotonic() + seconds, 0
    Notice.objects.release_expired()
    while time.monotonic() < ends and (notices := Notice.objects.claim(BATCH)):
        for notice in notices:
            _send(notice)
        worked += len(notices)
    return worked


def _send(notice: Notice) -> None:
    if notice.handed_at:
        notice.mark(State.DEAD, code="unknown", error=_UNKNOWN)
        return
    if not Notice.objects.filter(pk=notice.pk, claim_no=notice.claim_no, handed_at=None).update(handed_at=Now()):
        return
    result = _handed_over(notice)
    match result.verdict:
        case Verdict.SENT:
            notice.mark(State.DONE)
        case Verdict.UNKNOWN:
            notice.mark(State.DEAD, code="unknown", error=result.detail)
        case _:
            # Refused: nothing left.
            Notice.objects.filter(pk=notice.pk, claim_no=notice.claim_no).update(handed_at=None)
            notice.failed(code="mail", error=result.detail, permanent=result.verdict == Verdict.NEVER)


def _handed_over(notice: Notice) -> Result:
    sender = DeliverySettings.current().sender
    mail = EmailMultiAlternatives(one_line(notice.subject), notice.text, sender, [notice.user.email])
    try:
        carrier = Carrier()
    except Unreachable as error:
        return Result(Verdict.AGAIN, str(error))
    try:
        return carrier.hand_over(mail)
    finally:
        carrier.close()
