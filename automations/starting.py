"""Contacts enter an automation. The database holds that the same start makes one run, and "runs once" one a contact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from automations import flow
from automations.models import Automation, AutomationVersion, Run
from automations.triggers.started import STARTED
from common import rows
from common.due import State
from contacts.merging import hold_merges
from contacts.models import Contact
from segments import conditions
from segments.compiling import contacts_matching
from users.models import User

# Automations may start one another so often in a row; then somebody built a circle.
DEEPEST = 5
_CIRCLE = (
    f"Stopped: automations started one another {DEEPEST} times in a row. Look for two that undo each other’s changes."
)


@dataclass(frozen=True)
class Start:
    """One contact at the door of a version. `key`: the same start has the same key, for ever."""

    version: AutomationVersion
    trigger: str
    contact_id: int
    key: str
    words: str
    is_test: bool
    once: bool = False
    activity_id: int | None = None
    recurring_payment_id: int | None = None
    order_id: int | None = None
    event: dict[str, Any] = field(default_factory=dict)
    depth: int = 0


def enter(starts: Iterable[Start]) -> int:
    """Make the runs that are not there yet, inside the caller's transaction. Returns how many are new."""
    # In one order, so that two workers with the same starts do not wait for each other crosswise.
    ordered = sorted(starts, key=lambda start: (start.version.automation_id, start.contact_id, start.key))
    return len(rows.insert([_run(start) for start in ordered], conflict="on conflict do nothing", told=("id",)))


def matching(tree: Any, contacts: set[int], *, is_test: bool) -> set[int]:
    """Those of the contacts that match a trigger's conditions."""
    try:
        group = conditions.parse(tree)
    except conditions.ConditionError:
        # A field was deleted under it: nobody can be said to match. The automation's page says so.
        return set()
    return set(contacts_matching(group, test=is_test).filter(pk__in=contacts).values_list("pk", flat=True))


def by_hand(automation: Automation, contacts: QuerySet[Contact], by: User, key: UUID) -> int:
    """Put these contacts into an active automation that can be started so. Returns how many entered.

    `key` is drawn once for each time somebody is asked: the same key again starts nobody a second time.
    """
    return _started(automation, contacts, f"hand:{key.hex}", f"Started by {by}", 0)


def was_started(automation: Automation, key: UUID) -> bool:
    """Whether somebody entered with this key already."""
    return Run.objects.get_queryset().filter(automation=automation, start_key__startswith=f"hand:{key.hex}:").exists()


def who_would_enter(automation: Automation, contacts: QuerySet[Contact]) -> QuerySet[Contact]:
    """Those of them who are of its mode, and were not in it before where it runs once for each contact."""
    fitting = Contact.objects.present().filter(pk__in=contacts.values("pk"), is_test=automation.is_test)
    if automation.current and (_place(automation.current) or {}).get("once"):
        inside = Run.objects.get_queryset().filter(automation=automation, contact=OuterRef("pk"), runs_once=True)
        fitting = fitting.filter(~Exists(inside))
    return fitting


def startable() -> QuerySet[Automation]:
    """Active automations that a person may put contacts into."""
    return Automation.objects.active().filter(current__triggers__contains=[{"key": STARTED}])


def by_run(automation_id: int, run: Run, key: str) -> bool:
    """Another automation's step starts it. False if it is not active or not to be started so."""
    automation = Automation.objects.active().select_related("current").filter(pk=automation_id).first()
    if automation is None:
        return False
    return bool(
        _started(
            automation,
            Contact.objects.filter(pk=run.contact_id),
            key,
            f"Started by the automation {run.automation}",
            run.depth + 1,
        )
    )


def can_be_started(automation: Automation) -> bool:
    return automation.is_active and automation.current is not None and _place(automation.current) is not None


@transaction.atomic
def _started(automation: Automation, contacts: QuerySet[Contact], key: str, words: str, depth: int) -> int:
    version = automation.current
    if not can_be_started(automation) or version is None:
        return 0
    hold_merges()
    once = bool((_place(version) or {}).get("once"))
    return enter(
        Start(
            version=version,
            trigger=STARTED,
            contact_id=pk,
            key=f"{key}:{pk}",
            words=words,
            is_test=automation.is_test,
            once=once,
            depth=depth,
        )
        for pk in who_would_enter(automation, contacts).values_list("pk", flat=True)
    )


def _place(version: AutomationVersion) -> dict[str, Any] | None:
    return next((one for one in version.triggers if one["key"] == STARTED), None)


def _run(start: Start) -> Run:
    too_deep = start.depth > DEEPEST
    return Run(
        automation_id=start.version.automation_id,
        version=start.version,
        contact_id=start.contact_id,
        recurring_payment_id=start.recurring_payment_id,
        order_id=start.order_id,
        activity_id=start.activity_id,
        start_key=start.key[:200],
        runs_once=start.once and not too_deep,
        started_by=start.words[:300],
        trigger=start.trigger,
        event=start.event,
        is_test=start.is_test,
        depth=start.depth,
        step=flow.first(start.version.steps),
        state=State.DEAD if too_deep else State.DUE,
        message=_CIRCLE if too_deep else "",
        last_error=_CIRCLE if too_deep else "",
        ended_at=timezone.now() if too_deep else None,
    )


def nudge(contacts: Iterable[int]) -> None:
    """Something happened to these contacts: runs that wait for a condition look again now.

    Also those a worker has in hand: it holds the row while it asks, and we wait for it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NUDGE, [sorted(set(contacts))])


_NUDGE = """
    update automations_run set next_attempt_at = statement_timestamp()
    where id in (
        select id from automations_run
        where listens and contact_id = any(%s) and state in ('due', 'running') order by id for no key update
    )
"""
