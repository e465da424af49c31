"""A worker keeps its connection to the database from task to task.

Celery closes it before and after each task, whatever CONN_MAX_AGE says. With a look at each queue every second that is
a new process of PostgreSQL each time, which reads its catalogues before the first plan; see bench/README.md.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, signals, states
from django.db import connections

# Tasks of a process, its threads together, until the connection at hand is let go: the caches of a session only grow.
REUSED = 500


def install(app: Celery) -> None:
    """For the workers of this app, and for tasks in them only."""
    app.conf.CELERY_DB_REUSE_MAX = REUSED
    signals.task_prerun.connect(_look_whether_it_is_there)
    signals.task_postrun.connect(_leave_a_good_one)


def _look_whether_it_is_there(sender: Any, **_: Any) -> None:
    """The database may have been started again, or be another server by now: then the task connects anew."""
    if sender.request.is_eager:
        return
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
        connection.close_if_health_check_failed()


def _leave_a_good_one(sender: Any, state: str = "", **_: Any) -> None:
    """What failed, or was stopped by its time limit, may have left its connection in the middle of an answer."""
    if sender.request.is_eager:
        return
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred or state != states.SUCCESS:
            connection.close()
