"""Direct campaigns: who gets them, and the one time they go out."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from campaigns.models import Campaign, Mail, Sending, Suppression
from common import due
from common.due import State
from contacts.models import Contact, ListMembership
from users.models import User

logger = logging.getLogger(__name__)
PAGE = 1000
DRAIN_SECONDS = 20


class CannotSend(Exception):
    """Why not, in words for the person who asked."""


def chosen(campaign: Campaign) -> QuerySet[Contact]:
    """The contacts of its lists and segments, each once, of the mode it goes to; whether they want mail or not."""
    of_lists = ListMembership.objects.filter(list__in=campaign.lists.all())
    found = Q(pk__in=of_lists.values("contact_id"))
    return Contact.objects.present().filter(found, is_test=campaign.to_test_contacts)


def recipients(campaign: Campaign) -> QuerySet[Contact]:
    """Those of them that have an address and did not say no."""
    silent = Suppression.objects.filter(email_key=OuterRef("email_key"))
    return chosen(campaign).filter(~Exists(silent), email_key__isnull=False)


@transaction.atomic
def send(campaign: Campaign, by: User, at: datetime | None = None) -> Sending:
    """Begin now, or at a time. CannotSend if it went out already: to send it again, duplicate it."""
    values = {"by": by, "starts_at": at or Now(), "next_attempt_at": at or Now()}
    sending, is_new = Sending.objects.get_or_create(campaign=campaign, defaults=values)
    if not is_new:
        raise CannotSend("This campaign was sent already. Duplicate it to send it again.")
    return sending


@transaction.atomic
def cancel(campaign: Campaign) -> int:
    """What has not left yet stays. Before it began, everything is as if nobody had asked. Returns how many stay."""
    sending = Sending.objects.filter(campaign=campaign).select_for_update().first()
    if sending is None:
        return 0
    if sending.queued == 0:
        sending.delete()
        return 0
    if sending.cancelled_at is None:
        # A worker that is at it finds its claim gone.
        Sending.objects.filter(pk=sending.pk).update(
            state=State.DONE, claim_no=F("claim_no") + 1, lease_until=None, cancelled_at=Now(), finished_at=Now()
        )
    waiting = Mail.objects.filter(campaign=campaign, outcome=Mail.Outcome.QUEUED, handed_at=None)
    return waiting.update(
        state=State.DONE, outcome=Mail.Outcome.CANCELLED, claim_no=F("claim_no") + 1, lease_until=None
    )


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Make the mails of sendings that are due, until there are none or the time is up. Returns how many were queued."""
    ends, queued = time.monotonic() + seconds, 0
    Sending.objects.release_expired()
    while time.monotonic() < ends:
        claimed: list[Sending] = Sending.objects.claim(1)
        if not claimed:
            break
        queued += _expand(claimed[0], ends)
    return queued


def _expand(sending: Sending, ends: float) -> int:
    queued = 0
    try:
        while (count := _page(sending)) is not None:
            queued += count
            if count < PAGE:
                break
            if time.monotonic() > ends:
                sending.later(timedelta(0))
                break
    except Exception as error:
        logger.exception("A campaign could not be queued", extra={"campaign": sending.campaign_id})
        sending.failed(code=type(error).__name__, error=str(error))
    return queued


def _page(sending: Sending) -> int | None:
    """Mails for the next contacts and the cursor behind them, in one transaction. None if it is no longer ours."""
    with transaction.atomic():
        mine = Sending.objects.filter(pk=sending.pk, claim_no=sending.claim_no, state=State.RUNNING)
        held = mine.select_for_update().first()
        if held is None:
            return None
        found = recipients(sending.campaign).filter(pk__gt=held.after).order_by("pk")
        ids = list(found.values_list("pk", flat=True)[:PAGE])
        Mail.objects.bulk_create([_mail(sending, pk) for pk in ids], ignore_conflicts=True)
        is_over = len(ids) < PAGE
        mine.update(
            after=ids[-1] if ids else held.after,
            queued=F("queued") + len(ids),
            lease_until=None if is_over else Now() + due.LEASE,
            state=State.DONE if is_over else State.RUNNING,
            finished_at=Now() if is_over else None,
        )
    return len(ids)


def _mail(sending: Sending, contact_id: int) -> Mail:
    key = f"campaign:{sending.campaign_id}:contact:{contact_id}"
    return Mail(
        campaign_id=sending.campaign_id, contact_id=contact_id, key=key, is_test=sending.campaign.to_test_contacts
    )
