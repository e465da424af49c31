"""Where a campaign and its mails stand, in words and numbers for the pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, Value
from django.utils import timezone

from campaigns.models import Campaign, Mail, Sending, Tally
from common.due import State

Outcome = Mail.Outcome
BADGES = {
    Outcome.QUEUED: "info",
    Outcome.SENT: "ok",
    Outcome.FAILED: "bad",
    Outcome.UNKNOWN: "warn",
    Outcome.SUPPRESSED: "neutral",
    Outcome.TEST: "neutral",
    Outcome.CANCELLED: "neutral",
}


@dataclass(frozen=True)
class Standing:
    badge: str
    word: str


@dataclass(frozen=True)
class Figures:
    """Mails of a campaign by what became of them. Rates are shares of those sent, in percent."""

    queued: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    suppressed: int = 0
    test: int = 0
    cancelled: int = 0
    opened: int = 0
    clicked: int = 0
    bounced: int = 0
    unsubscribed: int = 0
    replied: int = 0

    @property
    def open_rate(self) -> str:
        return _share(self.opened, self.sent)

    @property
    def click_rate(self) -> str:
        return _share(self.clicked, self.sent)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def figures(campaigns: Iterable[Campaign]) -> dict[int, Figures]:
    """By campaign; one query, of tallies and the mails in none yet. Only what really left counts as opened."""
    sent = Q(outcome=Outcome.SENT)
    counts = {value.value: Count("pk", filter=Q(outcome=value)) for value in Outcome}
    happened = {
        "opened": Count("pk", filter=sent & Q(opened_at__isnull=False)),
        "clicked": Count("pk", filter=sent & Q(clicked_at__isnull=False)),
        "bounced": Count("pk", filter=Q(bounced_at__isnull=False)),
        "unsubscribed": Count("pk", filter=Q(unsubscribed_at__isnull=False)),
        "replied": Count("pk", filter=Q(replied_at__isnull=False)),
    }
    ids = [campaign.pk for campaign in campaigns]
    names = ("campaign", *counts, *happened)
    fresh = Mail.objects.filter(campaign__in=ids, is_tallied=False).order_by().values("campaign")
    tallied = Tally.objects.filter(campaign__in=ids).annotate(queued=Value(0))
    found: dict[int, Counter[str]] = {pk: Counter() for pk in ids}
    for row in fresh.annotate(**counts, **happened).values_list(*names).union(tallied.values_list(*names), all=True):
        about = dict(zip(names, row, strict=True))
        found[about.pop("campaign")].update(about)
    return {pk: Figures(**about) for pk, about in found.items()}


def standing(campaign: Campaign, sending: Sending | None, queued: int) -> Standing:
    """`queued`: mails that wait, as `figures` counts them."""
    if campaign.archived_at:
        return Standing("neutral", "Archived")
    if not campaign.is_direct:
        return Standing("ok", "Ready")
    if sending is None:
        return Standing("neutral", "Draft")
    if sending.cancelled_at:
        return Standing("neutral", "Cancelled")
    if sending.state == State.DEAD:
        return Standing("bad", "Failed")
    if sending.starts_at > timezone.now() and not sending.queued:
        return Standing("info", "Scheduled")
    return Standing("info", "Sending") if not sending.finished_at or queued else Standing("ok", "Sent")


def settled(campaign: Campaign) -> str:
    """Why neither its content nor its recipients can be changed any more, in words; "" while they can."""
    sending = Sending.objects.filter(campaign=campaign).first()
    if sending is None:
        return ""
    if standing(campaign, sending, 0).word == "Scheduled":
        return "This campaign is scheduled, so it stays as it is. Cancel it first: that makes it a draft again."
    return "This campaign went out already, so it stays as it is. Duplicate it to change it."


def mail_badge(mail: Mail) -> Standing:
    """A mail that came back was sent all the same; the page says the later thing."""
    if mail.outcome == Outcome.SENT and mail.bounced_at:
        return Standing("bad", "Bounced")
    if mail.outcome == Outcome.QUEUED and mail.attempts:
        return Standing("warn", "Waiting to be tried again")
    return Standing(BADGES[Outcome(mail.outcome)], str(Outcome(mail.outcome).label))
