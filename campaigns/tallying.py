"""Figures of campaigns without looking at all of their mails.

How a mail ended is counted once, soon after, into its campaign's tally; what becomes of it later is added to that. So
figures are the tally and the few mails that are not in it yet, and stay true when mails are removed.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns import telling
from campaigns.models import Mail
from contacts.merging import hold_merges

BATCH = 1000
DRAIN_SECONDS = 20
Outcome = Mail.Outcome
# Column of a mail -> figure. The first two count where the mail really left.
_LEFT = {"opened_at": "opened", "clicked_at": "clicked"}
_ANY = {"bounced_at": "bounced", "unsubscribed_at": "unsubscribed", "replied_at": "replied"}
TIMES = frozenset(_LEFT | _ANY)
FIGURES = (
    *("sent", "failed", "unknown", "suppressed", "test", "cancelled"),
    *_LEFT.values(),
    *_ANY.values(),
)
_ADD = f"""
    insert into campaigns_tally as t (campaign_id, {", ".join(FIGURES)})
    values (%s, {", ".join(["%s"] * len(FIGURES))})
    on conflict (campaign_id) do update set {", ".join(f"{name} = t.{name} + excluded.{name}" for name in FIGURES)}
"""  # noqa: S608  names of our own columns


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Count the mails that ended, until none is left or the time is up. Returns how many were counted."""
    ends, counted = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        count = _batch()
        counted += count
        if count < BATCH:
            break
    return counted


@transaction.atomic
def _batch() -> int:
    """One whose end nobody knows is not counted: a worker that was thought lost may still tell."""
    # Before any mail is locked: a merge locks in this order too.
    hold_merges()
    ended = Mail.objects.filter(is_tallied=False).exclude(outcome__in=[Outcome.QUEUED, Outcome.UNKNOWN]).order_by("pk")
    mails = list(held(ended)[:BATCH])
    # Whoever sent it tells it at once, unless that came to nothing.
    telling.sent(mail.pk for mail in mails if mail.outcome == Outcome.SENT)
    return fold(mails)


def held(mails: QuerySet[Mail]) -> QuerySet[Mail]:
    """Locked until the transaction ends; those that others hold are left out."""
    return mails.select_for_update(skip_locked=True, no_key=True)


def fold(mails: Iterable[Mail]) -> int:
    """Count these locked mails for good, inside the caller's transaction. Returns how many were not counted before."""
    fresh = [mail for mail in mails if not mail.is_tallied]
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for mail in fresh:
        told = [column for column in sorted(TIMES) if getattr(mail, column)]
        counts[mail.campaign_id].update([mail.outcome, *_figures(mail, told)])
    Mail.objects.filter(pk__in=[mail.pk for mail in fresh]).update(is_tallied=True)
    # In order, so that two who count do not wait for each other crosswise.
    for campaign in sorted(counts):
        _add(campaign, counts[campaign])
    return len(fresh)


def later(mail: Mail, columns: Iterable[str]) -> None:
    """These times of a mail became known just now. `mail` is as it was before, and locked."""
    if mail.is_tallied and (found := _figures(mail, columns)):
        _add(mail.campaign_id, Counter(found))


def _figures(mail: Mail, columns: Iterable[str]) -> list[str]:
    names = _LEFT | _ANY if mail.outcome == Outcome.SENT else _ANY
    return [names[column] for column in columns if column in names]


def _add(campaign: int, counts: Counter[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [campaign, *(counts[name] for name in FIGURES)])
