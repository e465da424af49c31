"""The queues, and whatever else, that `/health/` watches. An app registers its own in `AppConfig.ready()`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.utils import timezone

from common import heartbeat

OK = "ok"
# A worker looks each second. Rows that wait this long while nobody looks wait in vain.
SILENCE = timedelta(seconds=60)

OldestDue = Callable[[], datetime | None]


@dataclass(frozen=True)
class Queue:
    """`oldest_due` gives when the oldest row that is due now became due; None when nothing is.

    `worked_by` names the queue of Celery whose workers do it.
    """

    oldest_due: OldestDue
    limit: timedelta
    worked_by: str = ""


@dataclass(frozen=True)
class Condition:
    """`state` gives "ok" or what is wrong, in words."""

    state: Callable[[], str]


_queues: dict[str, Queue | Condition] = {}


def register(name: str, oldest_due: OldestDue, *, limit: timedelta = timedelta(minutes=5), worked_by: str = "") -> None:
    """Watch a queue: it is failing while its oldest due row has waited longer than `limit`.

    With `worked_by` also while rows wait and no worker has looked for a minute.
    """
    _queues[name] = Queue(oldest_due, limit, worked_by)


def register_condition(name: str, state: Callable[[], str]) -> None:
    """Watch something that is no queue."""
    _queues[name] = Condition(state)


def _check(queue: Queue | Condition) -> str:
    try:
        if isinstance(queue, Condition):
            return queue.state()
        oldest = queue.oldest_due()
        waited = timezone.now() - oldest if oldest else timedelta(0)
        if waited > SILENCE and queue.worked_by and (unworked := _unworked(queue.worked_by)):
            return unworked
    except Error:
        return "cannot be read"
    return OK if waited <= queue.limit else f"oldest due row has waited {int(waited.total_seconds())} s"


def _unworked(queue: str) -> str:
    silence = heartbeat.silence(queue)
    if silence is None:
        return f"no {queue} worker has ever looked"
    return f"no {queue} worker has looked for {int(silence.total_seconds())} s" if silence > SILENCE else ""


def queue_checks() -> dict[str, str]:
    """{name of a queue or condition: "ok" or what is wrong}."""
    return {name: _check(queue) for name, queue in _queues.items()}
