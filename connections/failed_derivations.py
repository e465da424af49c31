"""Recurring payments and orders that could not be made anew: tried again alone, by schedule, at last set aside."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, IntegerField, OuterRef, Subquery
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from common import rows
from common.due import BACKOFF, DueQuerySet, State, database_now
from common.origin import Origin
from connections import derived, remote_objects
from connections.derived import Told
from connections.inbox import Moved, fenced
from connections.models import Connection, FailedDerivation, Rederivation
from connections.refusals import passes

logger = logging.getLogger(__name__)
DRAIN_SECONDS = 20
_REST = timedelta(seconds=1)


def keep(connection: Connection, told: dict[str, Told], error: Exception | None = None) -> None:
    """Note subscriptions and purchases in the caller's transaction. Without an error they are due at once."""
    remote_objects.lock(connection, set(told))
    failure = _failure(error) if error else {}
    rows.insert(
        [
            rows.made(FailedDerivation, connection_id=connection.pk, object_key=key, **fact._asdict(), **failure)
            for key, fact in sorted(told.items())
        ],
        conflict=_ONCE,
    )


def _failure(error: Exception) -> dict[str, Any]:
    return {
        "attempts": 1,
        "next_attempt_at": database_now() + timedelta(seconds=BACKOFF[0]),
        "last_error_code": type(error).__name__,
        "last_error": words(error),
    }


# One that failed before keeps its schedule, or stays set aside: the newest fact has not helped either.
_ONCE = """on conflict (connection_id, object_key) do update set
    silent = connections_failedderivation.silent and excluded.silent,
    (occurred_at, origin, key) = (
        select one.occurred_at, one.origin, one.key
        from (values
            (excluded.occurred_at, excluded.origin, excluded.key),
            (connections_failedderivation.occurred_at, connections_failedderivation.origin,
             connections_failedderivation.key)
        ) as one(occurred_at, origin, key) order by one.occurred_at desc, one.key desc limit 1
    )"""


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Try what is due, one by one, until nothing is or the time is up. Returns how many were tried."""
    ends = time.monotonic() + seconds
    tried = 0
    for pk in FailedDerivation.objects.release_expired():
        logger.error("The worker stopped each time it made a recurring payment or order anew", extra={"row": pk})
    while time.monotonic() < ends and (claimed := workable().claim(1)):
        _try(claimed[0])
        tried += 1
    return tried


def workable() -> DueQuerySet[FailedDerivation]:
    """Those of connected accounts; others rest until somebody connects the account again."""
    return FailedDerivation.objects.get_queryset().filter(connection__in=Connection.objects.connected())


def set_aside() -> tuple[DueQuerySet[FailedDerivation], DueQuerySet[Rederivation]]:
    """What no try has helped: single ones, and walks over all that use something that changed."""
    connected = Connection.objects.connected()
    return (
        FailedDerivation.objects.get_queryset().filter(state=State.DEAD, connection__in=connected),
        Rederivation.objects.get_queryset().filter(state=State.DEAD, connection__in=connected),
    )


def counted() -> CombinedExpression:
    """How many of a connection's are set aside, as an annotation of connections."""
    return _counted(FailedDerivation) + _counted(Rederivation)


def _counted(model: type[FailedDerivation] | type[Rederivation]) -> Coalesce:
    dead = model._default_manager.filter(connection=OuterRef("pk"), state=State.DEAD).order_by()
    count = dead.values("connection").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(count, output_field=IntegerField()), 0)


def try_again(found: DueQuerySet[FailedDerivation] | DueQuerySet[Rederivation]) -> int:
    """Have them tried now, with the whole schedule before them again. Returns how many."""
    return found.exclude(state=State.RUNNING).update(
        state=State.DUE,
        claims=0,
        claim_no=F("claim_no") + 1,
        attempts=0,
        next_attempt_at=Now(),
        last_error="",
        last_error_code="",
    )


def dismiss(found: DueQuerySet[FailedDerivation] | DueQuerySet[Rederivation]) -> int:
    """Forget those of them that are set aside; their next change is derived as ever. Returns how many."""
    return found.filter(state=State.DEAD).delete()[0]


def _try(row: FailedDerivation) -> None:
    try:
        with transaction.atomic():
            _derive(row)
    except Moved:
        row.later(timedelta(0))
    except Exception as error:
        if passes(error):
            row.later(_REST, code=type(error).__name__, error=words(error))
            return
        logger.exception("What follows from an object could not be derived", extra={"objects": [row.object_key]})
        row.failed(code=type(error).__name__, error=words(error))


def _derive(row: FailedDerivation) -> None:
    """The object's row comes first, as everywhere: whoever notes a failure has it, too."""
    connection = fenced(row.connection_id)
    remote_objects.lock(connection, {row.object_key})
    mine = FailedDerivation.objects.filter(pk=row.pk, claim_no=row.claim_no, state=State.RUNNING)
    newest = mine.select_for_update().first()
    if newest is None:
        return
    told = Told(newest.occurred_at, Origin(newest.origin), newest.key, newest.silent)
    derived.refresh(connection, {row.object_key: told})
    newest.delete()


def words(error: Exception) -> str:
    """As a row that failed keeps it."""
    return f"{type(error).__name__}: {error}"[:500]
