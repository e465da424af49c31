"""Which kinds of work are due, asked in one statement, so that only those are rung.

A task that looks for itself costs a message and some questions even where nothing is due: with fourteen of them each
second that was a third of a core, all day long. They are rung now and then all the same: what is asked here decides how
soon work is done, never whether.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from celery import Task
from django.db import connection
from django.db.models import QuerySet

Due = Callable[[], QuerySet[Any]]
AnyTask = TypeVar("AnyTask", bound=Task)

_rung: dict[str, dict[str, tuple[Due, ...]]] = {}


def rung(queue: str, *due: Due) -> Callable[[AnyTask], AnyTask]:
    """Ring a task of a queue of Celery while any of these querysets has a row. Each must ask the same every time."""

    def register(task: AnyTask) -> AnyTask:
        _rung.setdefault(queue, {})[task.name] = due
        return task

    return register


def tasks(queue: str) -> dict[str, tuple[Due, ...]]:
    """Names of the queue's tasks that are rung when something is due, and what they are rung for."""
    return dict(_rung.get(queue, {}))


def due_tasks(queue: str) -> list[str]:
    """Names of those that have something to do now. One query."""
    names = list(_rung.get(queue, {}))
    if not names:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*_statement(queue))
        found = cursor.fetchone()
    return [name for name, is_due in zip(names, found, strict=True) if is_due]


@cache
def _statement(queue: str) -> tuple[str, list[Any]]:
    columns, parameters = [], []
    for due in _rung[queue].values():
        asked = [one().order_by().values("pk")[:1].query.sql_with_params() for one in due]
        columns.append(" or ".join(f"exists ({sql})" for sql, _ in asked))
        parameters += [value for _, values in asked for value in values]
    return f"select {', '.join(columns)}", parameters
