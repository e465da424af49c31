"""Events that are stored and not yet applied: in the queue, being worked on, waiting for an object, or held.

Each of these states has an index of its own, which a question for all four at once would not use: the inbox would be
read from end to end.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from common.due import State
from connections.models import InboundEvent

STATES = (State.DUE, State.RUNNING, State.WAITING, State.HELD)


def counted(most: int, **which: Any) -> int:
    """How many there are, exactly up to `most`. `which`: fields and values of those meant."""
    return min(most, _together([rows.order_by().values("pk")[:most] for rows in _by_state(which)]).count())


def next_tried(most: int, **which: Any) -> list[InboundEvent]:
    """Those that are tried next, with their connection and without their payload."""
    first = [
        rows.order_by("next_attempt_at", "pk").values_list("next_attempt_at", "pk")[:most] for rows in _by_state(which)
    ]
    pks = [pk for _, pk in sorted(_together(first))[:most]]
    rows = InboundEvent.objects.filter(pk__in=pks).select_related("connection").defer("body")
    return list(rows.order_by("next_attempt_at", "pk"))


def object_ids(**which: Any) -> set[str]:
    """The objects they are about."""
    return set(_together([rows.order_by().values_list("object_id", flat=True) for rows in _by_state(which)]))


def _by_state(which: dict[str, Any]) -> list[QuerySet[InboundEvent]]:
    return [InboundEvent.objects.filter(state=state, **which) for state in STATES]


def _together(parts: list[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    return parts[0].union(*parts[1:], all=True)
