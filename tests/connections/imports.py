"""Walking of imports in tests, and what must hold of them afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connection as database
from django.db.models.functions import Now

from common.due import State
from connections import historical
from connections.models import ConnectionStatus, SyncLogEntry, SyncRun, SyncWindow
from contacts.models import Activity, Contact

Start = Callable[..., SyncRun]


def walk(run: SyncRun) -> SyncRun:
    """Walk to the end, moving due columns where the import waits."""
    for _ in range(60):
        historical.drain()
        run.refresh_from_db()
        if not run.is_open:
            return run
        ConnectionStatus.objects.update(throttled_until=None)
        SyncWindow.objects.filter(state=State.DUE).update(next_attempt_at=Now())
    raise AssertionError(f"The import stands still: {run.state} {run.message}")


def someone_waits_for_us() -> bool:
    with database.cursor() as cursor:
        cursor.execute("select exists(select from pg_locks where pg_backend_pid() = any(pg_blocking_pids(pid)))")
        return bool(cursor.fetchone()[0])


def walk_in_threads(count: int) -> None:
    def worker() -> None:
        historical.drain()
        database.close()

    threads = [threading.Thread(target=worker) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def audit(run: SyncRun, count: int) -> None:
    """Nothing lost, nothing doubled."""
    assert (run.state, run.listed, run.failed, run.message) == ("done", count, 0, "")
    entries = SyncLogEntry.objects.filter(run=run)
    assert entries.count() == entries.values("object_id").distinct().count() == count
    assert run.created + run.updated + run.unchanged + run.skipped == count
    contacts = Contact.objects.count()
    assert contacts == run.created
    assert Activity.objects.filter(kind="contact.created").count() == contacts
