"""Runs by how they stand, in the words that pages use. The same words as `Run.standing`."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q, QuerySet

from automations import trouble
from automations.models import Run
from automations.models.run import OPEN
from common.due import State

_BY_WORD: dict[str, Callable[[], Q]] = {
    "inside": lambda: Q(state__in=OPEN),
    "running": lambda: Q(state=State.RUNNING) | Q(state=State.DUE, wake_at=None, attempts=0),
    "waiting": lambda: Q(state=State.DUE, wake_at__isnull=False),
    "retrying": lambda: Q(state=State.DUE, wake_at=None, attempts__gt=0),
    "paused": lambda: Q(state=State.HELD),
    "completed": lambda: Q(state=State.DONE),
    "ended": lambda: Q(state=State.IGNORED),
    "failed": lambda: Q(state=State.DEAD),
    "trouble": trouble.troubled,
}
LABELS = [
    ("inside", "Inside"),
    ("running", "Running"),
    ("waiting", "Waiting"),
    ("retrying", "Retrying"),
    ("paused", "Paused"),
    ("completed", "Completed"),
    ("ended", "Ended early"),
    ("failed", "Failed"),
    ("trouble", "Failed, or what they sent"),
]


def of_standing(runs: QuerySet[Run], word: str) -> QuerySet[Run]:
    """Those that stand so; all of them for a word that is none."""
    condition = _BY_WORD.get(word)
    return runs.filter(condition()) if condition else runs
