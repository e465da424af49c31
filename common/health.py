"""The queues that `/health/` watches. An app registers its own in `AppConfig.ready()`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.utils import timezone

OK = "ok"

OldestDue = Callable[[], datetime | None]


@dataclass(frozen=True)
class Queue:
    """`oldest_due` gives when the oldest row that is due now became due; None when nothing is."""

    oldest_due: OldestDue
    limit: timedelta


_queues: dict[str, Queue] = {}


def register(name: str, oldest_due: OldestDue, *, limit: timedelta = timedelta(minutes=5)) -> None:
    """Watch a queue: it is failing while its oldest due row has waited longer than `limit`."""
    _queues[name] = Queue(oldest_due, limit)


def _check(queue: Queue) -> str:
    try:
        oldest = queue.oldest_due()
    except Error:
        return "cannot be read"
    waited = timezone.now() - oldest if oldest else timedelta(0)
    return OK if waited <= queue.limit else f"oldest due row has waited {int(waited.total_seconds())} s"


def queue_checks() -> dict[str, str]:
    """{queue name: "ok" or what is wrong}."""
    return {name: _check(queue) for name, queue in _queues.items()}
