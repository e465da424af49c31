"""Direct campaigns: who gets them, and the one time they go out."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from campaigns.models import Campaign, Mail, Sending, Suppression
from common import due, rows
from common.due import State
from contacts.merging import hold_merges
from contacts.models import Contact, ListMembership
from segments.compiling import condition_query
from segments.conditions import ConditionError
from segments.models import Segment
from users.models import User

logger = logging.getLogger(__name__)
PAGE = 1000
DRAIN_SECONDS = 20


class CannotSend(Exception):
    """Why not, in words for the person who asked."""


@dataclass(frozen=True)
class Audience:
    """Who a direct campaign goes to: everybody of these lists and segments, each once, in one mode."""

    lists: tuple[int, ...]
    segments: tuple[Segment, ...]
    is_test: bool = False

    @classmethod
    def of(cls, campaign: Campaign) -> Audience:
        lists = tuple(campaign.lists.values_list("pk", flat=True))
        return cls(lists, tuple(campaign.segments.all()), campaign.to_test_contacts)

    def contacts(self) -> QuerySet[Contact]:
        """Whether they want mail or not. ConditionError when a segment asks about a field that is gone."""
        members = ListMembership.objects.filter(list__in=self.lists).values("contact_id")
        found = Q(pk__in=members) if self.lists else Q(pk__in=[])
        for segment in self.segments:
            found |= _members(segment)
        return Contact.objects.present().filter(found, is_test=self.is_test)

    def recipients(self) -> QuerySet[Contact]:
        """Those of them that have an address and did not say no."""
        silent = Suppression.objects.filter(email_key=OuterRef("email_key"))
        return self.contacts().filter(~Exists(silent), email_key__isnull=False)

    def count(self) -> Count:
        """One query."""
        silent = Suppression.objects.filter(email_key=OuterRef("email_key"))
        counted = self.contacts().aggregate(
            all=models.Count("pk"),
            without=models.Count("pk", filter=Q(email_key=None)),
            silent=models.Count("pk", filter=Exists(silent)),
        )
        return Count(counted["all"], counted["without"], counted["silent"])


def _members(segment: Segment) -> Q:
    try:
        return condition_query(segment.group)
    except ConditionError as error:
        raise ConditionError(error.path, f"The segment “{segment}” cannot be asked. {error.message}") from error


@dataclass(frozen=True)
class Count:
    """How many are chosen, and why some of them get nothing."""

    chosen: int
    without_address: int
    unsubscribed: int

    @property
    def recipients(self) -> int:
        return self.chosen - self.without_address - self.unsubscribed


@transaction.atomic
def send(campaign: Campaign, by: User, at: datetime | None = None) -> Sending:
    """Begin now, or at a time. CannotSend if it went out already: to send it again, duplicate it."""
    values = {"by": by, "starts_at": at or Now(), "next_attempt_at": at or Now()}
    sending, is_new = Sending.objects.get_or_create(campaign=campaign, defaults=values)
    if not is_new:
        raise CannotSend("This campaign was sent already. Duplicate it to send it again.")
    return sending


@transaction.atomic
def cancel(campaign: Campaign) -> int | None:
    """What has not left yet stays. Before it began, everything is as if nobody had asked.

    Returns how many mails stay; None when nothing waited any more, and nothing was done.
    """
    # First: a merge locks mails, then the sending; this does it the other way round.
    hold_merges()
    sending = Sending.objects.filter(campaign=campaign).select_for_update(no_key=True).first()
    if sending is None:
        return None
    if sending.queued == 0 and sending.finished_at is None:
        sending.delete()
        return 0
    waiting = Mail.objects.filter(campaign=campaign, outcome=Mail.Outcome.QUEUED, handed_at=None)
    stay = waiting.update(
        state=State.DONE, outcome=Mail.Outcome.CANCELLED, claim_no=F("claim_no") + 1, lease_until=None
    )
    if sending.finished_at and not stay:
        return None
    # A worker that is at it finds its claim gone.
    Sending.objects.filter(pk=sending.pk, cancelled_at=None).update(
        state=State.DONE,
        claim_no=F("claim_no") + 1,
        lease_until=None,
        cancelled_at=Now(),
        finished_at=Coalesce("finished_at", Now()),
    )
    return stay


def retry(campaign: Campaign) -> bool:
    """Go on at once from where it could not. False when it is not stuck (`Sending.is_stuck`)."""
    stuck = Q(state=State.DEAD) | Q(state=State.DUE, attempts__gt=0)
    return bool(
        Sending.objects.filter(stuck, campaign=campaign).update(
            state=State.DUE, claims=0, attempts=0, next_attempt_at=Now(), last_error_code="", last_error=""
        )
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
    except ConditionError as error:
        sending.failed(code="segment", error=f"{error.message} Mend the segment, then try again.")
    except Exception as error:
        logger.exception("A campaign could not be queued", extra={"campaign": sending.campaign_id})
        sending.failed(code=type(error).__name__, error=str(error))
    return queued


def _page(sending: Sending) -> int | None:
    """Mails for the next contacts and the cursor behind them, in one transaction. None if it is no longer ours."""
    with transaction.atomic():
        hold_merges()
        mine = Sending.objects.filter(pk=sending.pk, claim_no=sending.claim_no, state=State.RUNNING)
        held = mine.select_for_update().first()
        if held is None:
            return None
        found = Audience.of(sending.campaign).recipients().filter(pk__gt=held.after).order_by("pk")
        ids = list(found.values_list("pk", flat=True)[:PAGE])
        # Of somebody who was merged meanwhile: the mail was made for the other one, who came earlier.
        made = Mail.objects.filter(campaign=sending.campaign_id, contact__in=ids).values_list("contact", flat=True)
        fresh = sorted(set(ids) - set(made))
        rows.insert([_mail(sending, pk) for pk in fresh], conflict="on conflict (key) do nothing", told=("id",))
        is_over = len(ids) < PAGE
        mine.update(
            after=ids[-1] if ids else held.after,
            queued=F("queued") + len(fresh),
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
