"""What is set aside can be found: its row in the log, or its end, is there from the same moment on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import InternalError, transaction
from django.db import connection as database
from django.db.models.functions import Now

from common.due import MAX_CLAIMS, State
from connections import inbox, replaying
from connections.models import BulkReplay, Connection, InboundEvent, Resource, SyncLogEntry
from tests.connections.test_bulk_replay import set_aside

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(connect: Callable[..., Resource]) -> Connection:
    return connect("customer").connection


@contextmanager
def refused(what: str) -> Iterator[None]:
    """The database refuses such writes, such as "insert on connections_synclogentry", until the end."""
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(
            "create function refuse() returns trigger language plpgsql as "
            "$$ begin raise exception 'planted' using errcode = 'internal_error'; end $$"
        )
        cursor.execute(f"create trigger refuse before {what} execute function refuse()")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("drop function refuse() cascade")


def took_its_workers_along(model: type[InboundEvent | BulkReplay]) -> None:
    past = Now() - timedelta(seconds=1)
    model.objects.update(state=State.RUNNING, claims=MAX_CLAIMS, claim_no=MAX_CLAIMS, lease_until=past)


def test_an_event_is_set_aside_with_its_row_in_the_log_or_not_yet(connection: Connection) -> None:
    set_aside(connection, 1)
    SyncLogEntry.objects.all().delete()
    took_its_workers_along(InboundEvent)
    with refused("insert on connections_synclogentry"):
        inbox.drain()
    assert InboundEvent.objects.get().state == "running" and not SyncLogEntry.objects.exists()
    inbox.drain()
    assert InboundEvent.objects.get().state == "dead"
    assert SyncLogEntry.objects.get().result == "dead"


def test_a_worker_that_comes_back_leaves_set_aside_what_was(connection: Connection) -> None:
    """Frozen past its lease, it meets a database error on waking and wants to put the event back."""
    set_aside(connection, 1)
    took_its_workers_along(InboundEvent)
    frozen = InboundEvent.objects.get()
    inbox.drain()
    frozen.later(timedelta(0))
    frozen.failed(code="database", error="gone")
    frozen.mark(State.HELD)
    assert InboundEvent.objects.get().state == "dead"


def test_a_bulk_replay_is_given_up_and_ended_at_once_or_not_yet(connection: Connection) -> None:
    replaying.begin({"result": "dead"}, 3, None)
    took_its_workers_along(BulkReplay)
    with refused("update of finished_at on connections_bulkreplay"), pytest.raises(InternalError):
        replaying.drain()
    assert BulkReplay.objects.get().state == "running"
    replaying.drain()
    given_up = BulkReplay.objects.get()
    assert given_up.state == "dead" and given_up.finished_at
