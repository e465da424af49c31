"""Imports from their beginning to their end: begun once and whole, paused, cancelled, and always ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client

from common.due import State
from connections import api, fence, historical, history_ends, history_pages, history_windows, history_writes, setup
from connections.models import Connection, RemoteObject, Resource, SyncLogEntry, SyncRun
from connections.sources.base import SourceError
from contacts.models import Contact
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS
from tests.connections.imports import Start, audit, someone_waits_for_us, walk
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_pause_resume_and_cancel(start: Start) -> None:
    run = start()
    historical.drain(seconds=0.001)
    assert historical.pause(run)
    assert historical.drain() == 0
    run.refresh_from_db()
    assert run.state == "paused" and 0 < run.seen < 230
    assert historical.resume(run)
    audit(walk(run), 230)
    assert not historical.cancel(run)


@pytest.mark.parametrize("change", [historical.pause, historical.cancel])
def test_a_change_while_a_page_is_written_stands(start: Start, change: Callable[[SyncRun], bool]) -> None:
    run = start()
    page = threading.Thread(target=lambda: (historical.drain(seconds=0.001), database.close()))
    with transaction.atomic(), database.cursor() as cursor:
        # The page has read that the import runs, and cannot write its log yet.
        cursor.execute("lock table connections_synclogentry in share mode")
        page.start()
        eventually(someone_waits_for_us)
        assert change(run)
    page.join(60)
    run.refresh_from_db()
    assert run.state == ("paused" if change is historical.pause else "cancelled")
    assert run.seen, "the page itself was written"


@pytest.mark.parametrize("change", [historical.pause, historical.cancel])
def test_a_page_that_waits_for_the_account_sees_a_change_meanwhile(
    start: Start, change: Callable[[SyncRun], bool]
) -> None:
    run = start()
    page = threading.Thread(target=lambda: (historical.drain(seconds=0.001), database.close()))
    with transaction.atomic():
        fence.hold_alone(run.resource.connection_id)
        page.start()
        eventually(someone_waits_for_us)
        assert change(run)
    page.join(60)
    run.refresh_from_db()
    assert (run.state, run.seen) == ("paused" if change is historical.pause else "cancelled", 0)


def test_a_cancelled_import_keeps_what_it_brought(start: Start) -> None:
    run = start()
    historical.drain(seconds=0.001)
    brought = Contact.objects.count()
    assert historical.cancel(run) and brought
    assert historical.drain() == 0
    assert Contact.objects.count() == brought


def test_disconnecting_stops_it_within_a_page(start: Start) -> None:
    """Row 65."""
    run = start()
    historical.drain(seconds=0.001)
    run.refresh_from_db()
    setup.disconnect(Connection.objects.get())
    before = Contact.objects.count(), SyncLogEntry.objects.count()
    assert historical.drain() == 0
    run.refresh_from_db()
    assert run.state == "cancelled" and "disconnected" in run.message
    assert (Contact.objects.count(), SyncLogEntry.objects.count()) == before


def test_an_import_whose_worker_died_at_its_very_end_is_ended(start: Start) -> None:
    """Killed after the last window was done and before the run was: else it would run for ever, and stop the next."""
    run = start(3)
    historical.drain()
    SyncRun.objects.filter(pk=run.pk).update(state=SyncRun.State.RUNNING, finished_at=None)
    historical.drain()
    run.refresh_from_db()
    assert run.state == "done" and run.finished_at


def test_health_sees_an_import_whose_worker_is_gone(start: Start, anybody: Client) -> None:
    """Its stretches stay claimed, as nobody is there to take them back."""
    run = start(3)
    run.windows.update(next_attempt_at=Now() - timedelta(minutes=20))
    history_windows.claim(run.resource.connection_id)

    def told() -> str:
        found: str = anybody.get("/health/").json()["checks"]["history"]
        return found

    assert told() == "ok"
    run.windows.filter(state=State.RUNNING).update(lease_until=Now() - timedelta(minutes=10))
    assert told() != "ok"
    # Nor does it help that all others are done, or wait for later.
    run.windows.exclude(state=State.RUNNING).delete()
    assert told() != "ok"


def test_an_import_is_born_whole(connect: Callable[..., Resource]) -> None:
    """Row 34: killed before its windows were there, it would stand for ever, and stop the next."""
    resource = connect("customer")

    def dies(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "connections_syncwindow" in sql:
            raise SystemExit
        return execute(sql, *rest)

    with pytest.raises(SystemExit), database.execute_wrapper(dies):
        historical.start(resource, until=resource.since)
    assert not SyncRun.objects.exists()
    # What is left of the time when that could be is ended.
    run = historical.start(resource, until=resource.since)
    run.windows.all().delete()
    historical.drain()
    run.refresh_from_db()
    assert run.state == "failed" and "Import again" in run.message
    assert historical.start(resource, until=resource.since).windows.count() == historical.WINDOWS


def test_two_people_who_import_at_once_begin_one_import(connect: Callable[..., Resource]) -> None:
    resource = connect("customer")
    begun: list[SyncRun] = []

    def begin() -> None:
        begun.append(historical.start(resource, until=resource.since))
        database.close()

    other = threading.Thread(target=begin)
    with transaction.atomic():
        run = historical.start(resource, until=resource.since)
        other.start()
        eventually(someone_waits_for_us)
    other.join(30)
    assert begun == [run]
    setup.remove_resource(resource)
    with pytest.raises(SourceError, match="disconnected"):
        historical.start(resource, until=resource.since)


def test_a_new_key_in_the_middle_of_a_page_ends_no_import(start: Start, account: SandboxAccount) -> None:
    """Row 66: the walker's copy of the run is of the old key, but its account is connected all the same."""
    run = start(3)
    known = SyncRun.objects.select_related("resource__connection").get(pk=run.pk)
    setup.replace_key(Connection.objects.get(), account.new_key("secret", label="second"))
    history_ends.close_if_moved(known)
    historical.drain()
    run.refresh_from_db()
    assert run.state == "done"


def test_two_workers_share_the_windows_of_an_account(start: Start) -> None:
    """Issue 4: writing pages is what takes a worker's time, so none takes all that may be walked."""
    run = start()
    account = run.resource.connection_id
    first, second = history_windows.claim(account), history_windows.claim(account)
    assert [len(first), len(second), len(history_windows.claim(account))] == [8, 8, 0]
    for window in first:
        window.later(timedelta(0))
    assert len(history_windows.claim(account, mine=7)) == 1
    assert history_windows.claim(account, mine=8) == []


def test_a_worker_walks_one_account_after_the_other(start: Start, stripe: Sandbox) -> None:
    """Issue 4: each walk fills the memory that one worker may have; accounts take turns."""
    mine = start(3)
    other = stripe.account("other", local_webhooks=True)
    other.play("grow", count=3)
    stripe.discard()
    resource = setup.add_resource(setup.connect(other.key), setup.default_choice("customer", "history_and_new", ROWS))
    walked: list[int] = []

    def second() -> None:
        walked.append(historical.drain())
        database.close()

    with historical._an_account() as (account, claimed):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(30)
        assert account == mine.resource.connection_id and claimed and walked == [0]
        for window in claimed:
            window.later(timedelta(0))
    # Most windows of the first account have never been walked, and still it is the other's turn.
    with historical._an_account() as (account, claimed):
        assert account == resource.connection_id
        for window in claimed:
            window.later(timedelta(0))
    audit(walk(mine), 3)
    assert walk(resource.runs.get()).state == "done"


def test_an_id_with_marks_of_an_address_stops_no_window(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Row 34: a shop chooses the ids of its products. This one is not to be found, but by its own address."""
    subscription = account.subscribe(None, product="Mill Pro", at=int(time.time()) - 9000)
    items = subscription["items"]
    items["data"][0]["price"]["product"] = "mill/pro?a#1"
    account.alter(subscription["id"], items=items)
    stripe.discard()
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "phone"}]
    run = walk(connect("subscription", sync="history_and_new", rows=rows).runs.get())
    assert (run.state, run.failed, Contact.objects.count()) == ("done", 0, 1)
    assert RemoteObject.objects.get(external_id="mill/pro?a#1").deleted_at
    assert {one["path"] for one in stripe.requests("/v1/products/")} == {"/v1/products/mill%2Fpro%3Fa%231"}


def test_a_page_read_by_a_mapping_that_was_replaced_is_read_again(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Row 34: what the new rows follow did not come along with it, and nobody would come back for it."""
    account.subscribe(None, product="Mill Pro", at=int(time.time()) - 9000)
    stripe.discard()
    resource = connect("subscription", sync="history_and_new", rows=ROWS[:1])
    (window,) = history_windows.claim(resource.connection_id)[:1]
    run = SyncRun.objects.select_related("resource__connection", "resource__mapping").get()
    page = history_pages.read_page(api.client_of(resource.connection), window, run, history_pages.Cursor())
    assert page.rows
    setup.write_mapping(resource, [*ROWS[:1], {"from": ["product.name"], "to": "phone", "write": "always"}])

    assert history_writes.write(resource.connection_id, [(window, run, page)], []) == set()
    run.windows.filter(state=State.RUNNING).update(state=State.DUE, lease_until=None)
    audit(walk(run), 1)
    assert Contact.objects.get().phone == "Mill Pro"
