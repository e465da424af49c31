"""What goes by itself, and what stays: in pages, so that nothing waits for one long statement."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common import clearing
from common.due import State
from connections import inbox, reconcile, retention, setup, stored_events
from connections.models import (
    Connection,
    ConnectionStatus,
    InboundEvent,
    LogCount,
    Resource,
    SyncLogEntry,
    SyncRun,
)
from tests.connections.test_guard import event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(connect: Callable[..., Resource]) -> Connection:
    return connect("customer").connection


def received(connection: Connection, count: int, *, days: int, state: str = State.DONE, body: bytes = b"{}") -> None:
    InboundEvent.objects.bulk_create(
        InboundEvent(
            connection=connection,
            event_id=f"evt_{state}_{days}_{number}",
            via="webhook",
            occurred_at=Now(),
            received_at=Now() - timedelta(days=days, seconds=number),
            body=body,
            state=state,
        )
        for number in range(count)
    )


def bodies() -> int:
    return InboundEvent.objects.exclude(body=None).count()


def test_payloads_go_after_thirty_days_and_events_after_forty_five(connection: Connection) -> None:
    for days in (29, 31, 46):
        received(connection, 3, days=days)
    for state in (State.DEAD, State.HELD, State.WAITING):
        received(connection, 1, days=400, state=state)
    retention.clear_old()
    assert InboundEvent.objects.count() == 9
    assert set(InboundEvent.objects.filter(body=None).values_list("event_id", flat=True)) == {
        f"evt_done_31_{number}" for number in range(3)
    }
    assert retention.clear_old() == 0


def test_what_ends_late_keeps_no_payload(connection: Connection, marketer_client: Client) -> None:
    """Replayed or dismissed long after it came, past where retention looks."""
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    for number, days in enumerate((29, 31, 32)):
        body = json.dumps(event(number, "customer.created", int(time.time()))).encode()
        received(connection, 1, days=days, state=State.DEAD, body=body)
    InboundEvent.objects.update(type="customer.created")
    retention.clear_old()
    newest, older, oldest = InboundEvent.objects.order_by("-received_at")
    assert bodies() == 3
    assert stored_events.replay([newest, older]) == 2
    inbox.drain()
    entry = SyncLogEntry.objects.create(
        connection=connection, inbound=oldest, via="webhook", result="dead", occurred_at=Now()
    )
    marketer_client.post(reverse("connections:dismiss", args=[entry.pk]))
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"done"}
    assert InboundEvent.objects.exclude(body=None).get() == newest


def test_what_is_held_for_a_disconnected_account_is_not_held_for_ever(connection: Connection) -> None:
    setup.disconnect(connection)
    received(connection, 2, days=31, state=State.HELD)
    received(connection, 1, days=29, state=State.HELD)
    received(connection, 1, days=31, state=State.WAITING)
    received(connection, 1, days=29, state=State.WAITING)
    retention.clear_old()
    assert sorted(InboundEvent.objects.values_list("state", "body")) == [
        ("held", b"{}"),
        *[("ignored", None)] * 3,
        ("waiting", b"{}"),
    ]


def test_much_is_removed_in_small_steps(connection: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "PAGE", 40)
    monkeypatch.setattr(clearing, "PAGE", 40)
    received(connection, 130, days=46)
    received(connection, 130, days=31)
    with CaptureQueriesContext(database) as asked:
        assert retention.clear_old() == 130 + 130 + 130
    assert (InboundEvent.objects.count(), bodies()) == (130, 0)
    deletes = [query["sql"] for query in asked if query["sql"].startswith('DELETE FROM "connections_inboundevent"')]
    assert len(deletes) == 4
    # What arrives next is found from where the last walk stopped.
    reached = ConnectionStatus.objects.get().bodies_cleared_until
    received(connection, 2, days=30, body=b"[]")
    retention.clear_old()
    assert bodies() == 0
    after = ConnectionStatus.objects.get().bodies_cleared_until
    assert reached and after and after > reached


def test_it_stops_when_its_time_is_up_and_goes_on_later(connection: Connection) -> None:
    received(connection, 5, days=46)
    assert retention.clear_old(seconds=0) == 0
    assert InboundEvent.objects.count() == 5
    retention.clear_old()
    assert not InboundEvent.objects.exists()


def test_log_rows_stay_for_over_a_year_also_without_their_event(connection: Connection) -> None:
    received(connection, 1, days=46)
    event = InboundEvent.objects.get()
    for days, inbound in ((50, event), (401, None)):
        SyncLogEntry.objects.create(
            connection=connection,
            inbound=inbound,
            via="webhook",
            result="created",
            occurred_at=Now(),
            worked_at=Now() - timedelta(days=days),
        )
    LogCount.objects.create(connection=connection, day="2020-01-01", result="created", number=1)
    retention.clear_old()
    assert SyncLogEntry.objects.get().inbound_id is None
    assert not LogCount.objects.exists()


def test_checks_of_long_ago_go_and_imports_stay(connect: Callable[..., Resource]) -> None:
    resource = connect("customer", sync="history_and_new")
    reconcile.start(resource.connection)
    reconcile.drain()
    SyncRun.objects.update(started_at=Now() - timedelta(days=60))
    retention.clear_old()
    assert [run.kind for run in SyncRun.objects.all()] == ["history"]


def test_a_replay_after_the_payload_is_gone_changes_nothing(connection: Connection) -> None:
    received(connection, 1, days=31)
    retention.clear_old()
    assert stored_events.replay(InboundEvent.objects.all()) == 0
