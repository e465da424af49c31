"""Who uses a segment. Campaigns register how to find theirs, so none is deleted from under them.

Automations keep conditions of their own, made from a segment or not, so they use none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from segments.models import Segment


@dataclass(frozen=True)
class Use:
    """`segment` is its primary key, `what` says what uses it («Campaign»), `label` and `url` name and open that."""

    segment: int
    what: str
    label: str
    url: str


Finder = Callable[[Collection[int]], Iterable[Use]]
_finders: dict[str, Finder] = {}


def register(key: str, finder: Finder) -> None:
    """`finder` gets primary keys of segments and answers their uses, in one query. The same key again replaces it."""
    _finders[key] = finder


def uses(segments: Iterable[Segment]) -> dict[int, list[Use]]:
    """Primary key -> its uses; every segment asked about is there."""
    found: dict[int, list[Use]] = {segment.pk: [] for segment in segments}
    for finder in _finders.values():
        for use in finder(list(found)):
            found[use.segment].append(use)
    return found


def uses_of(segment: Segment) -> list[Use]:
    return uses([segment])[segment.pk]
