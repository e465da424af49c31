"""Everything a filter of the log shows is applied again: asked first, in pages, behind what arrives meanwhile."""

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

from common.due import LEASE, State
from connections import inbox, replaying, setup
from connections.models import BulkReplay, Connection, InboundEvent, LogCount, Resource, SyncLogEntry
from contacts.models import Activity, Contact
from tests.connections.test_guard import START, event
from users.models import AuditEntry

pytestmark = [pytest.mark.usefixtures("one_day"), pytest.mark.django_db(transaction=True)]
DEAD = "/apps/stripe/log/replay/?result=dead&event_type=customer.created"


@pytest.fixture
def connection(connect: Callable[..., Resource]) -> Connection:
    resource = connect("customer")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    return resource.connection


def set_aside(connection: Connection, count: int, first: int = 0) -> None:
    """Events that could not be applied, with their rows in the log."""
    events = InboundEvent.objects.bulk_create(
        InboundEvent(
            connection=connection,
            event_id=f"evt_{number}",
            via="webhook",
            type="customer.created",
            occurred_at=Now(),
            state=State.DEAD,
            body=json.dumps(
                event(number, "customer.created", START, id=f"cus_{number}", email=f"c{number}@mill.example")
            ).encode(),
        )
        for number in range(first, first + count)
    )
    SyncLogEntry.objects.bulk_create(
        SyncLogEntry(
            connection=connection,
            inbound=one,
            via="webhook",
            event_id=one.event_id,
            event_type=one.type,
            result="dead",
            occurred_at=Now(),
        )
        for one in events
    )


def test_many_are_replayed_in_pages_and_each_once(
    marketer_client: Client, connection: Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(replaying, "PAGE", 20)
    set_aside(connection, 110)
    page = marketer_client.get(DEAD).content.decode()
    assert "The filter shows 110 events" in page and "page by page" in page and "Replay 110 events" in page
    page = marketer_client.post(DEAD, follow=True).content.decode()
    assert "0 of 110" in page and "every 2s" in page and "Stop replay" in page
    entry = AuditEntry.objects.get(action="replayed events")
    assert entry.object_label == "110 events" and entry.changes["filter"]["new"]["result"] == "dead"
    # Somebody's event fails after the yes: it is not meant.
    set_aside(connection, 1, first=500)

    for _ in range(10):
        replaying.drain()
        inbox.drain()

    bulk = BulkReplay.objects.get()
    assert (bulk.state, bulk.replayed, bulk.found) == ("done", 110, 110) and bulk.finished_at
    assert Contact.objects.count() == Activity.objects.filter(kind="contact.created").count() == 110
    assert SyncLogEntry.objects.filter(via="replay", result="created").count() == 110
    assert InboundEvent.objects.get(state="dead").event_id == "evt_500"
    page = marketer_client.get(f"/apps/stripe/log/replays/{bulk.pk}/").content.decode()
    assert "110 of 110" in page and "Ended" in page and "every 2s" not in page


def test_what_arrives_meanwhile_comes_first(connection: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(replaying, "PAGE", 10)
    monkeypatch.setattr(replaying, "MOST_DUE", 5)
    set_aside(connection, 40)
    replaying.begin({"result": "dead"}, 40, None)
    replaying.drain()
    assert InboundEvent.objects.filter(state="due").count() == 10
    BulkReplay.objects.update(next_attempt_at=Now())
    replaying.drain()
    assert InboundEvent.objects.filter(state="due").count() == 10
    inbox.drain()
    BulkReplay.objects.update(next_attempt_at=Now())
    replaying.drain()
    assert InboundEvent.objects.filter(replays=1).count() == 20


def test_what_waits_for_its_next_try_keeps_nothing_back_and_is_tried_when_asked(
    marketer_client: Client, connection: Connection, monkeypatch: Any
) -> None:
    """A fault is mended: of what it made fail some is set aside, the rest is to be tried in hours."""
    monkeypatch.setattr(replaying, "MOST_DUE", 5)
    set_aside(connection, 6, first=10)
    in_hours = {"state": State.DUE, "attempts": 8, "next_attempt_at": Now() + timedelta(hours=4)}
    InboundEvent.objects.update(**in_hours)
    SyncLogEntry.objects.update(result="failed")
    set_aside(connection, 1)
    replaying.begin({"result": "dead"}, 1, None)
    replaying.drain()
    inbox.drain()
    assert BulkReplay.objects.get().replayed == 1 and Contact.objects.count() == 1

    entry = SyncLogEntry.objects.filter(result="failed").first()
    assert entry
    assert "in the queue already" not in marketer_client.post(f"/apps/stripe/log/{entry.pk}/replay/").content.decode()
    InboundEvent.objects.filter(pk=entry.inbound_id).update(body=b"{")
    inbox.drain()
    assert InboundEvent.objects.get(pk=entry.inbound_id).attempts == 2, "the schedule begins anew"
    replaying.begin({"result": "failed"}, 5, None)
    replaying.drain()
    inbox.drain()
    assert Contact.objects.count() == 6
    rows = SyncLogEntry.objects.exclude(event_id="evt_0").values_list("result", "replay")
    assert sorted(rows) == [("created", 0)] * 5 + [("dead", 0)], "the rows of their failures are written over"


def test_a_worker_that_dies_on_the_way_repeats_no_page(connection: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(replaying, "PAGE", 10)
    set_aside(connection, 30)
    bulk = replaying.begin({"result": "dead"}, 30, None)
    (claimed,) = BulkReplay.objects.claim(1)
    replaying._page(claimed)
    # It is killed here, and wakes up again after its lease.
    BulkReplay.objects.update(lease_until=Now() - LEASE)
    inbox.drain()
    replaying.drain()
    assert not replaying._page(claimed)
    inbox.drain()
    bulk.refresh_from_db()
    assert (bulk.state, bulk.replayed) == ("done", 30)
    assert set(InboundEvent.objects.values_list("replays", flat=True)) == {1}


def test_it_can_be_stopped(marketer_client: Client, connection: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(replaying, "PAGE", 10)
    set_aside(connection, 30)
    marketer_client.post(DEAD)
    bulk = BulkReplay.objects.get()
    assert "Replay of many events" in marketer_client.get("/apps/stripe/log/").content.decode()
    marketer_client.post(f"/apps/stripe/log/replays/{bulk.pk}/stop/")
    replaying.drain()
    assert not InboundEvent.objects.exclude(state="dead").exists()
    assert "Replay of many events" not in marketer_client.get("/apps/stripe/log/").content.decode()


def test_a_period_and_a_resource_narrow_it(marketer_client: Client, connection: Connection) -> None:
    set_aside(connection, 3)
    SyncLogEntry.objects.filter(event_id="evt_0").update(worked_at=Now() - timedelta(days=10))
    SyncLogEntry.objects.filter(event_id="evt_1").update(resource_kind="customer")
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3 * 86_400))
    assert "Replay 2 events" in marketer_client.get(f"{DEAD}&since={day}").content.decode()
    assert "Replay 1 event<" in marketer_client.get(f"{DEAD}&since={day}&resource=customer").content.decode()


def test_an_account_that_was_disconnected_is_left_out(marketer_client: Client, connection: Connection) -> None:
    set_aside(connection, 3)
    replaying.begin({"result": "dead"}, 3, None)
    setup.disconnect(Connection.objects.get())
    replaying.drain()
    assert (BulkReplay.objects.get().replayed, InboundEvent.objects.filter(state="dead").count()) == (0, 3)
    assert "None of these rows" in marketer_client.get(DEAD).content.decode()


def test_of_more_than_anybody_counts_the_rows_looked_at_tell_how_far_it_is(
    marketer_client: Client, connection: Connection, monkeypatch: Any
) -> None:
    """Over 10,000 rows of the log are “more than 10,000”; a number of events that is known stays one."""
    monkeypatch.setattr(replaying, "PAGE", 2)
    set_aside(connection, 3)
    with database.cursor() as cursor:
        cursor.execute(
            "insert into connections_synclogentry (connection_id, resource_kind, replay, via, event_id, event_type, "
            "object_id, contact_email, result, reason, changes, warnings, occurred_at) select %s, '', 0, 'webhook', "
            "'evt_gone_' || n, 'customer.created', '', '', 'dead', '', '[]', '[]', now() "
            "from generate_series(1, 10000) n",
            [connection.pk],
        )
    InboundEvent.objects.bulk_create(
        InboundEvent(
            connection=connection,
            event_id=f"evt_gone_{number}",
            via="webhook",
            type="customer.created",
            occurred_at=Now(),
            state=State.DEAD,
            body=b"{}",
        )
        for number in range(1, 10_001)
    )
    with database.cursor() as cursor:
        cursor.execute(
            "update connections_synclogentry l set inbound_id = e.id from connections_inboundevent e "
            "where e.event_id = l.event_id and l.inbound_id is null"
        )
    page = marketer_client.get(DEAD).content.decode()
    assert "10,000+ events" in page
    page = marketer_client.post(DEAD, follow=True).content.decode()
    assert "0 of more than 10,000" in page
    replaying.drain()
    bulk = BulkReplay.objects.get()
    assert not bulk.is_counted and bulk.found == 10_001
    assert bulk.progress == (bulk.after_id, bulk.until_id)
    assert BulkReplay(found=10_000).is_counted and BulkReplay(found=20_000, filter={"of": "events"}).is_counted


def test_today_is_counted_without_reading_the_log(marketer_client: Client, connection: Connection) -> None:
    """Each transaction adds a row of its own; what fails is counted where the next try writes it over."""
    set_aside(connection, 4)
    marketer_client.post(DEAD)
    inbox.drain()
    set_aside(connection, 2, first=50)
    page = marketer_client.get("/apps/stripe/").content.decode()
    assert "4 records" in page and ">Review</a>" in page
    assert sum(LogCount.objects.values_list("number", flat=True)) == 4
    LogCount.objects.update(day="2020-01-01")
    assert "0 records" in marketer_client.get("/apps/stripe/").content.decode()
