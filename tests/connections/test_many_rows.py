"""Pages of the sync log read what they show, however many events and rows there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from common.due import State
from connections import under_way
from connections.models import BulkReplay, Connection, InboundEvent, Resource, SyncLogEntry
from contacts.models import Contact

ROWS = 20_000
LOG = "/apps/stripe/log/"
_EVENTS = """
    insert into connections_inboundevent (connection_id, event_id, via, type, api_version, object_id, lane, occurred_at,
        body, missed, state, claim_no, claims, attempts, last_error_code, last_error, waits_for, replays)
    select %s, 'evt_' || n, 'webhook', 'customer.updated', '', 'cus_' || n, 0, now(), '{}', false, 'done', 1, 0, 0, '',
        '', '{}', 0 from generate_series(1, %s) as n
"""
_ENTRIES = """
    insert into connections_synclogentry (connection_id, inbound_id, resource_kind, replay, via, event_id, event_type,
        object_id, contact_email, result, reason, changes, warnings, occurred_at)
    select connection_id, id, 'customer', 0, 'webhook', event_id, type, object_id, '', 'unchanged', '', '[]', '[]',
        occurred_at from connections_inboundevent
"""


@pytest.fixture
def many(connect: Callable[..., Resource]) -> Connection:
    """Applied events and their rows of the log; one event of each state that is under way, one row of a poll."""
    connection = connect("customer").connection
    with database.cursor() as cursor:
        cursor.execute(_EVENTS, [connection.pk, ROWS])
        cursor.execute(_ENTRIES)
    for place, event in enumerate(InboundEvent.objects.order_by("pk")[: len(under_way.STATES)]):
        InboundEvent.objects.filter(pk=event.pk).update(state=under_way.STATES[place])
        via = "replay" if event.pk % 2 else "poll"
        SyncLogEntry.objects.filter(inbound=event).update(via=via)
    with database.cursor() as cursor:
        cursor.execute("analyze connections_inboundevent, connections_synclogentry")
    return connection


def reads_all(statements: list[dict[str, str]], table: str) -> list[str]:
    """Those that choose among a table's rows and read all of them to do so."""
    found = []
    with database.cursor() as cursor:
        for sql in {one["sql"] for one in statements if f'"{table}"' in one["sql"] and "WHERE" in one["sql"]}:
            cursor.execute(f"explain {sql}")
            if f"Seq Scan on {table}" in "\n".join(line for (line,) in cursor.fetchall()):
                found.append(sql)
    return found


@pytest.mark.django_db
def test_what_waits_is_found_by_its_state(marketer_client: Client, many: Connection) -> None:
    with CaptureQueriesContext(database) as asked:
        page = marketer_client.get(LOG).content.decode()
        waiting = marketer_client.get(f"{LOG}waiting/?account={many.pk}").content.decode()
        told = under_way.object_ids(connection=many, object_id__in=["cus_1", "cus_4", "cus_5"])
    assert "4 waiting" in page and "4 events wait" in waiting
    assert told == {"cus_1", "cus_4"}
    assert not reads_all(asked.captured_queries, "connections_inboundevent")
    assert not marketer_client.get(f"{LOG}waiting/?account={many.pk + 1}").context["waiting"]


@pytest.mark.django_db
def test_rows_of_polls_and_replays_are_found_among_those_of_webhooks(marketer_client: Client, many: Connection) -> None:
    """Pages lead there."""
    with CaptureQueriesContext(database) as asked:
        polled = marketer_client.get(f"{LOG}?via=poll&account={many.pk}")
        replayed = marketer_client.get(f"{LOG}?via=replay")
    assert len(polled.context["lines"]) == len(replayed.context["lines"]) == 2
    assert not reads_all(asked.captured_queries, "connections_synclogentry")


@pytest.mark.django_db
def test_rows_of_an_address_are_found_whether_they_came_to_a_contact_or_not(
    marketer_client: Client, many: Connection
) -> None:
    ana = Contact.objects.create(email="ana@mill.example", email_key="ana@mill.example")
    first, second = SyncLogEntry.objects.order_by("pk").values_list("pk", flat=True)[:2]
    SyncLogEntry.objects.filter(pk=first).update(contact=ana, contact_email=ana.email)
    SyncLogEntry.objects.filter(pk=second).update(contact_email="Nobody@mill.example")
    with database.cursor() as cursor:
        cursor.execute("analyze connections_synclogentry")
    with CaptureQueriesContext(database) as asked:
        found = [marketer_client.get(f"{LOG}?contact={name}@mill.example").context["lines"] for name in _NAMES]
    assert [[line.entry.pk for line in lines] for lines in found] == [[first], [second], []]
    assert not reads_all(asked.captured_queries, "connections_synclogentry")


_NAMES = ("ana", "nobody", "somebody")


@pytest.mark.django_db
def test_a_replay_of_very_many_is_not_counted_to_the_end(marketer_client: Client, many: Connection) -> None:
    address = f"{LOG}replay/?event_type=customer.updated"
    assert "Replay 10,000+ events" in marketer_client.get(address).content.decode()
    page = marketer_client.post(address, follow=True).content.decode()
    assert "10,000+ events are applied again" in page and "0 of more than 10,000" in page
    bulk = BulkReplay.objects.get()
    newest = SyncLogEntry.objects.latest("pk").pk
    assert bulk.progress == (0, newest) and bulk.until_id == newest
    assert bulk.state == State.DUE
