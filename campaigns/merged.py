"""Mails follow a contact that is merged; of a direct campaign that would go to both, one stays."""

from __future__ import annotations

from django.db.models import F

from campaigns.models import Campaign, Mail, Sending
from common.due import State
from contacts import merging

_move = merging.rows_of(Mail)


def follow_merge(from_id: int, to_id: int, only: list[int] | None) -> list[int]:
    """See `contacts.merging.Move`. What is kept back stays so when the merge is undone: it is only one campaign."""
    moved = _move(from_id, to_id, only)
    if only is None:
        _keep_one(to_id, moved)
        # Who was still to come is now somebody the cursor has passed, so it goes back. Nobody gets a second mail.
        Sending.objects.filter(finished_at=None, after__gte=to_id, after__lt=from_id).update(after=to_id - 1)
    return moved


def _keep_one(contact_id: int, moved: list[int]) -> None:
    """One that left or is about to is never called back, so those that wait give way."""
    both = Mail.objects.filter(contact=contact_id, campaign__kind=Campaign.Kind.DIRECT, resend_of=None)
    both = both.exclude(outcome=Mail.Outcome.CANCELLED)
    brought = both.filter(pk__in=moved).values_list("campaign", flat=True)
    known = set(both.exclude(pk__in=moved).filter(campaign__in=list(brought)).values_list("campaign", flat=True))
    for campaign in sorted(known):
        mails = both.filter(campaign=campaign).order_by("pk")
        waiting = list(mails.filter(outcome=Mail.Outcome.QUEUED, handed_at=None).values_list("pk", flat=True))
        kept = 0 if mails.count() > len(waiting) else 1
        Mail.objects.filter(pk__in=waiting[kept:], handed_at=None).update(
            state=State.DONE,
            outcome=Mail.Outcome.CANCELLED,
            claim_no=F("claim_no") + 1,
            lease_until=None,
            last_error_code="merged",
            last_error="The contact was merged with another one, who gets this campaign already.",
        )
