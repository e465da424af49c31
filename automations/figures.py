"""How many contacts entered, are inside, came through or failed, for lists and heads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max

from automations.models import Automation, Run
from automations.models.run import OPEN
from common.due import State


@dataclass
class Figures:
    entered: int = 0
    inside: int = 0
    completed: int = 0
    ended: int = 0
    failed: int = 0
    last_at: datetime | None = None


def of(automations: Iterable[Automation]) -> dict[int, Figures]:
    """By primary key; three questions whatever their number, all answered by indexes."""
    found = {one.pk: Figures() for one in automations}
    runs = Run.objects.get_queryset().filter(automation__in=found).order_by()
    for row in runs.values("automation", "state").annotate(count=Count("pk")):
        _add(found[row["automation"]], State(row["state"]), row["count"])
    newest = [row["newest"] for row in runs.values("automation").annotate(newest=Max("pk"))]
    for automation, started_at in Run.objects.filter(pk__in=newest).values_list("automation", "started_at"):
        found[automation].last_at = started_at
    return found


def _add(figures: Figures, state: State, count: int) -> None:
    figures.entered += count
    if state in OPEN:
        figures.inside += count
    elif state is State.DONE:
        figures.completed += count
    elif state is State.IGNORED:
        figures.ended += count
    elif state is State.DEAD:
        figures.failed += count


def older_versions(automation: Automation) -> list[tuple[int, int]]:
    """(version, contacts inside) of those that finish on a version that is not the current one."""
    runs = Run.objects.under_way().filter(automation=automation)
    if automation.current_id:
        runs = runs.exclude(version=automation.current_id)
    counted = runs.values("version__number").annotate(count=Count("pk")).order_by("version__number")
    return [(row["version__number"], row["count"]) for row in counted]
