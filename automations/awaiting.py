"""Recurring payments that begin before anybody knows whose they are: they start automations when that becomes known.

Which automations were listening is noted when it happened, so that one which is activated later starts for nobody of
before. For half an hour an activity waits by itself (`dispatch.CONTACTS_COME`); it is given its contact here.
"""

from __future__ import annotations

import time
from collections import defaultdict

from django.db import connection, transaction
from django.db.models import QuerySet

from automations import dispatch, starting
from automations.models import Awaited
from contacts.merging import hold_merges
from contacts.models import Activity, Kind

BATCH = 500
DRAIN_SECONDS = 20
KINDS = (Kind.RECURRING_PAYMENT_CREATED, Kind.RECURRING_PAYMENT_UPDATED)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Give activities the contacts that became known, and start what waited. Returns how many activities had news."""
    ends, found = time.monotonic() + seconds, _meet()
    while time.monotonic() < ends:
        count = _batch()
        found += count
        if count < BATCH:
            break
    return found


@transaction.atomic
def _meet() -> int:
    """Those nobody has dispatched yet go the way of all others, and no longer wait."""
    hold_merges()
    with connection.cursor() as cursor:
        cursor.execute(_MEET, [list(KINDS)])
        return int(cursor.rowcount)


_MEET = """
    update contacts_activity as activity set contact_id = payment.contact_id
    from recurring_payments_recurringpayment as payment
    where activity.dispatched_at is null and activity.contact_id is null and activity.kind = any(%s)
    and payment.id = (activity.data ->> 'recurring_payment')::bigint and payment.contact_id is not null
"""


def known() -> QuerySet[Awaited]:
    return Awaited.objects.filter(recurring_payment__contact__isnull=False)


@transaction.atomic
def _batch() -> int:
    hold_merges()
    told = known().select_related("activity", "recurring_payment").order_by("pk")
    rows = list(told.select_for_update(of=("self",), skip_locked=True)[:BATCH])
    listening: dict[int, set[int]] = defaultdict(set)
    activities: dict[int, Activity] = {}
    for row in rows:
        activity = activities.setdefault(row.activity_id, row.activity)
        activity.contact_id = row.recurring_payment.contact_id
        listening[row.activity_id].add(row.automation_id)
    found = list(activities.values())
    Activity.objects.bulk_update(found, ["contact"])
    starting.enter(dispatch.starts(found, listening))
    Awaited.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)
