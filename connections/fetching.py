"""Objects we wish for, read from the source one by one: those behind ids, and those whose newest state is unclear."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from common.due import State
from common.origin import Origin
from connections import api, derived, inbox, rate_limit, remote_objects, single_reads
from connections.derived import Told
from connections.models import Connection, InboundEvent, RemoteObject
from connections.sources.base import ObjectState, SourceError

BATCH = 20
DRAIN_SECONDS = 20
_LEASE = timedelta(seconds=60)
_BACKOFF = (5, 30, 120, 600, 3600)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Fetch wanted objects until none is due or the time is up. Returns how many were asked for."""
    ends = time.monotonic() + seconds
    fetched = 0
    for connection in Connection.objects.usable():
        while time.monotonic() < ends and not rate_limit.throttled(connection) and (rows := _claim(connection)):
            for row in rows:
                if not _fetch(connection, row):
                    break
                fetched += 1
    return fetched


def due() -> QuerySet[RemoteObject]:
    """Objects that could be fetched now."""
    return RemoteObject.objects.filter(wanted_at__lte=Now(), connection__state=Connection.State.ACTIVE)


def _claim(connection: Connection) -> list[RemoteObject]:
    """Take wishes for a minute; one whose worker dies is due again by itself."""
    with transaction.atomic():
        rows = list(
            RemoteObject.objects.filter(connection=connection, wanted_at__lte=Now())
            .order_by("wanted_at", "pk")
            .select_for_update(skip_locked=True, of=("self",))[:BATCH]
        )
        RemoteObject.objects.filter(pk__in=[row.pk for row in rows]).update(wanted_at=Now() + _LEASE)
    return rows


def _fetch(connection: Connection, row: RemoteObject) -> bool:
    """Ask for one object. False if the whole connection has to wait."""
    try:
        states = single_reads.read(api.client_of(connection), row)
    except KeyError:
        _give_up(connection, row, f"Stripe objects of the kind {row.type} cannot be read one by one.")
        return True
    except SourceError as error:
        api.note(connection, error)
        if error.code in ("resource_missing", "permission"):
            _give_up(connection, row, error.message)
            return True
        _later(row, error)
        return False
    _store(connection, row, states)
    return True


def _store(connection: Connection, asked: RemoteObject, states: tuple[ObjectState, ...]) -> None:
    """Hold what came and release who waited for it.

    The request went out after we held `asked` and after the events that wait for it, so unless something newer came
    meanwhile the answer is the newer state, whatever the seconds say.
    """
    for _ in range(5):
        try:
            with transaction.atomic():
                inbox.fenced(connection.pk, connection.epoch)
                now = RemoteObject.objects.select_for_update(no_key=True).get(pk=asked.pk)
                own, *others = states
                told = _told(connection, own.key)
                if asked.as_of and (now.event_id, now.as_of) == (asked.event_id, asked.as_of):
                    own = replace(own, as_of=max(own.as_of, asked.as_of, *told))
                    # Undecided no longer: an equal second must not ask again.
                    now.body, now.wanted_at = None, None
                    now.save(update_fields=["body", "wanted_at"])
                remote_objects.hold(connection, [own, *others], set())
                # What nobody waited for, such as the product of an imported subscription, is no news to act upon.
                key = f"{connection.pk}:read:{own.key}:{own.as_of.timestamp():.0f}"
                fact = Told(own.as_of, Origin.POLL, key, silent=not told)
                derived.refresh(connection, {state.key: fact for state in states})
                inbox.release(connection, {state.key for state in states})
            return
        except (IntegrityError, OperationalError):
            # Another worker made the same row or locked crosswise; what still fails is due again after its lease.
            continue
        except inbox.Moved:
            return


def _told(connection: Connection, key: str) -> list[datetime]:
    """When the events that wait for this object happened."""
    waiting = InboundEvent.objects.filter(connection=connection, state=State.WAITING, waits_for__contains=[key])
    return list(waiting.values_list("occurred_at", flat=True))


def _give_up(connection: Connection, row: RemoteObject, reason: str) -> None:
    """The object is not to be had: a tombstone stands in for it, and who waited goes on without."""
    tombstone = ObjectState(
        type=row.type,
        external_id=row.external_id,
        as_of=max(datetime.now(UTC), row.as_of or datetime.fromtimestamp(0, UTC)),
        body=row.body or {"id": row.external_id, "object": row.type, "deleted": True},
        deleted=True,
        fetched=True,
    )
    try:
        with transaction.atomic():
            inbox.fenced(connection.pk, connection.epoch)
            remote_objects.hold(connection, [tombstone], set())
            RemoteObject.objects.filter(pk=row.pk).update(wanted_at=None, wanted_error=reason[:500])
            silent = not _told(connection, row.key)
            fact = Told(tombstone.as_of, Origin.POLL, f"{connection.pk}:gone:{row.key}", silent)
            derived.refresh(connection, {row.key: fact})
            inbox.release(connection, {row.key})
    except inbox.Moved:
        return


def _later(row: RemoteObject, error: SourceError) -> None:
    seconds = error.retry_after or _BACKOFF[min(row.wanted_attempts, len(_BACKOFF) - 1)]
    RemoteObject.objects.filter(pk=row.pk).update(
        wanted_at=Now() + timedelta(seconds=seconds),
        wanted_attempts=min(row.wanted_attempts + 1, 30000),
        wanted_error=error.message[:500],
    )
