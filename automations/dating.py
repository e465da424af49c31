"""Dated triggers: the stretch of time since the last look is looked through, so each value is evaluated once.

A watch begins at the moment of activation: what came due before starts nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from automations import starting, wording
from automations.models import DateWatch
from automations.starting import Start
from common.due import State, database_now
from contacts.merging import hold_merges
from contacts.models import Contact
from recurring_payments.models import RecurringPayment

logger = logging.getLogger(__name__)
PAGE = 500
DRAIN_SECONDS = 20
# A field with an index is looked at each minute; others cost a walk through their table.
OFTEN, SELDOM = timedelta(minutes=1), timedelta(minutes=10)
# Days without a time begin for us when people are awake, in the workspace's time zone.
MORNING = clock(9)


def moment_of(value: date | datetime) -> datetime:
    """When a date comes: a moment as it is, a day at nine in the morning."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return timezone.make_aware(datetime.combine(value, MORNING))


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Look through what is due until nothing is or the time is up. Returns how many runs began."""
    ends, began = time.monotonic() + seconds, 0
    DateWatch.objects.release_expired()
    while time.monotonic() < ends and (watches := DateWatch.objects.claim(10)):
        began += sum(_tried(watch) for watch in watches)
    return began


def _tried(watch: DateWatch) -> int:
    """A trigger that cannot be looked at waits, and holds up no other."""
    try:
        return _look(watch)
    except Exception as error:
        logger.exception("Dates of automation %s could not be looked at", watch.automation_id)
        watch.later(SELDOM, code=type(error).__name__, error=str(error))
        return 0


@transaction.atomic
def _look(watch: DateWatch) -> int:
    """One page of a stretch and the cursor behind it: a kill repeats at most a page, whose starts have their keys."""
    hold_merges()
    claimed = DateWatch.objects.get_queryset().filter(pk=watch.pk, claim_no=watch.claim_no, state=State.RUNNING)
    mine = claimed.select_related("automation__current").select_for_update(of=("self",)).first()
    if mine is None:
        return 0
    version = mine.automation.current
    if version is None or not mine.automation.is_active or mine.position >= len(version.triggers):
        mine.delete()
        return 0
    one = version.triggers[mine.position]
    until = mine.until or database_now()
    found = _page(one["parameters"], mine.automation.is_test, mine.reached, until, mine.cursor)
    began = starting.enter(_starts(version, one, found, mine.automation.is_test))
    if len(found) == PAGE:
        DateWatch.objects.filter(pk=mine.pk).update(cursor=found[-1][0], until=until)
        mine.later(timedelta(0))
    else:
        DateWatch.objects.filter(pk=mine.pk).update(cursor=0, until=None, reached=until)
        mine.later(OFTEN if _is_indexed(one["parameters"]["field"]) else SELDOM)
    return began


def _starts(version: Any, one: dict[str, Any], found: Sequence[tuple[Any, ...]], is_test: bool) -> list[Start]:
    parameters = one["parameters"]
    name = parameters["field"].partition(".")[0]
    people = {contact for _, contact, _ in found}
    if one.get("conditions"):
        people = starting.matching(one["conditions"], people, is_test=is_test)
    about = f"{parameters['field']}:{parameters['days']}:{parameters['when']}"
    words = f"{wording.days(parameters).capitalize()} "
    return [
        Start(
            version=version,
            trigger=one["key"],
            contact_id=contact,
            key=f"date:{about}:{pk}:{_text(value)}",
            words=f"{words}{_text(value)[:10]}",
            is_test=is_test,
            once=bool(one.get("once")),
            recurring_payment_id=pk if name == "recurring_payment" else None,
            event={"type": one["key"], "summary": words + _text(value)[:10], "occurred_at": _text(value)},
        )
        for pk, contact, value in found
        if contact in people
    ]


def _page(
    parameters: dict[str, Any], is_test: bool, after: datetime, until: datetime, cursor: int
) -> list[tuple[int, int, Any]]:
    """(row, contact, value) where the value, shifted by the days, lies in (after, until]; by row, after the cursor."""
    name, _, key = parameters["field"].partition(".")
    days = timedelta(days=int(parameters["days"]))
    shift = days if parameters["when"] == "before" else -days
    lower, upper = after + shift, until + shift
    if name == "recurring_payment":
        return list(_payments(key, is_test, lower, upper, cursor)[:PAGE])
    return list(_contacts(key.removeprefix("field:"), is_test, lower, upper, cursor)[:PAGE])


def _payments(key: str, is_test: bool, lower: datetime, upper: datetime, cursor: int) -> QuerySet[Any, Any]:
    bounds: tuple[Any, Any] = (lower, upper)
    field = RecurringPayment._meta.get_field(key)
    if field.get_internal_type() == "DateField":
        bounds = _days(lower, upper)
    found = RecurringPayment.objects.filter(
        **{f"{key}__gt": bounds[0], f"{key}__lte": bounds[1]}, is_test=is_test, contact__isnull=False, pk__gt=cursor
    )
    return found.order_by("pk").values_list("pk", "contact_id", key)


def _contacts(key: str, is_test: bool, lower: datetime, upper: datetime, cursor: int) -> QuerySet[Any, Any]:
    """Values of custom fields are ISO texts, so they compare as they stand: days have ten characters, moments more."""
    first, last = _days(lower, upper)
    people = Contact.objects.present().filter(is_test=is_test, pk__gt=cursor)
    dated: QuerySet[Any] = people.annotate(day=KeyTextTransform(key, "custom"))
    days = Q(day__gt=first.isoformat(), day__lte=last.isoformat(), day__regex=r"^.{10}$")
    moments = Q(day__gt=_iso(lower), day__lte=_iso(upper), day__regex=r"^.{11,}$")
    return dated.filter(days | moments).order_by("pk").values_list("pk", "pk", "day")


def _days(lower: datetime, upper: datetime) -> tuple[date, date]:
    """The days whose mornings lie in (lower, upper], as (day before the first, last)."""
    since_midnight = timedelta(hours=MORNING.hour, minutes=MORNING.minute)
    first, last = (timezone.localtime(moment) - since_midnight for moment in (lower, upper))
    return first.date(), last.date()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _is_indexed(field: str) -> bool:
    name, _, key = field.partition(".")
    indexed = {index.fields[0].lstrip("-") for index in RecurringPayment._meta.indexes if index.fields}
    return name == "recurring_payment" and key in indexed
