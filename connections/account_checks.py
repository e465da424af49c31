"""What the pages show of the comparison with Stripe: the newest check of each account, and what it put right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from connections.models import SyncRun

_LOOKED_BACK = timedelta(days=45)
# Of an account: five resources, some nights.
_READ = 60


@dataclass
class AccountCheck:
    """The runs of one check together, one a resource."""

    runs: list[SyncRun]

    @property
    def is_open(self) -> bool:
        return any(run.is_open for run in self.runs)

    @property
    def is_full(self) -> bool:
        return any(run.kind == SyncRun.Kind.FULL_CHECK for run in self.runs)

    @property
    def compared(self) -> int:
        return sum(run.seen for run in self.runs)

    @property
    def repaired(self) -> int:
        return sum(run.repaired for run in self.runs)

    @property
    def repaired_runs(self) -> list[SyncRun]:
        """Those whose log rows say what was put right."""
        return [run for run in self.runs if run.repaired]

    @property
    def message(self) -> str:
        """What stands in its way, in words."""
        return next((run.message for run in self.runs if run.message), "")

    @property
    def started_at(self) -> datetime:
        return min(run.started_at for run in self.runs)

    @property
    def finished_at(self) -> datetime | None:
        times = [run.finished_at for run in self.runs if run.finished_at]
        return None if self.is_open or not times else max(times)


def newest(connection_ids: Iterable[int]) -> dict[int, AccountCheck]:
    """Connection -> its newest check. One query."""
    ids = list(connection_ids)
    runs = (
        SyncRun.objects.checks()
        .filter(resource__connection__in=ids, started_at__gt=timezone.now() - _LOOKED_BACK)
        .exclude(state=SyncRun.State.CANCELLED)
        .select_related("resource")
        .order_by("-pk")[: _READ * max(1, len(ids))]
    )
    found: dict[int, AccountCheck] = {}
    for run in runs:
        check = found.setdefault(run.resource.connection_id, AccountCheck([]))
        if not check.runs or check.runs[0].range_to == run.range_to:
            check.runs.append(run)
    return found
