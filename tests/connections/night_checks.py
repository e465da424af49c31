"""Walking of checks in tests, and what they found."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from common.due import State
from connections import reconcile
from connections.models import Connection, ConnectionStatus, RemoteObject, SyncRun, SyncWindow
from contacts.models import Activity, Contact


def checked(connection: Connection, *, full: bool = False) -> list[SyncRun]:
    """A check from its beginning to its end, moving due columns where it waits."""
    runs = reconcile.start(connection, full=full)
    for _ in range(60):
        reconcile.drain()
        ConnectionStatus.objects.update(throttled_until=None)
        SyncWindow.objects.filter(state=State.DUE).update(next_attempt_at=Now())
        if not SyncRun.objects.checks().open().exists():
            return list(SyncRun.objects.filter(pk__in=[run.pk for run in runs]).order_by("pk"))
    raise AssertionError(f"The check stands still: {SyncRun.objects.checks().open().values()}")


def a_day_passes() -> None:
    """What we hold is of yesterday: Stripe's time has whole seconds, and of one second the event is believed."""
    RemoteObject.objects.update(as_of=Now() - timedelta(days=1))
    for contact in Contact.objects.all():
        for slots in contact.facts.values():
            for fact in slots.values():
                fact["t"] -= timedelta(days=1).total_seconds()
        contact.save(update_fields=["facts"])


def repaired(runs: list[SyncRun]) -> dict[str, int]:
    return {run.resource.kind: run.repaired for run in runs if run.repaired}


def undispatched() -> int:
    return Activity.objects.filter(dispatched_at=None).count()
