"""A database that refuses: read-only, full, out of connections, locked crosswise (rows 42 to 45)."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import time_machine
from django.db import OperationalError, transaction
from django.db import connection as database
from django.db.models.functions import Now

from common.origin import Origin
from connections import inbox, stored_events
from connections.models import Connection, InboundEvent, RemoteObject
from connections.sources.stripe import translate
from local.engines import server_user
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.imports import someone_waits_for_us
from tests.connections.test_any_order import happened
from tests.connections.test_endpoint import sign
from tests.connections.test_guard import event
from tests.faults.audit import assert_clean
from tests.faults.machine import Machine
from tests.waiting import eventually

Settled = Callable[[], bool]


def change_postgres(machine: Machine, *commands: str) -> None:
    with psycopg.connect(machine.environment["DATABASE_URL"], autocommit=True) as server:
        server.execute("set default_transaction_read_only = off")
        for command in commands:
            server.execute(command)
        server.execute("select pg_reload_conf()")


@contextmanager
def setting(machine: Machine, name: str, value: str) -> Iterator[None]:
    """A setting of the whole server, for the length of the block."""
    change_postgres(machine, f"alter system set {name} = {value}")
    try:
        yield
    finally:
        change_postgres(machine, f"alter system reset {name}")


def test_a_read_only_database(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled, cookie: str
) -> None:
    """Row 44: as after a failover to a replica. Deliveries get 503 and come again; nobody sees a traceback."""
    machine.start_product()
    with setting(machine, "default_transaction_read_only", "on"):
        eventually(lambda: _is_read_only(machine))
        happened(account)
        eventually(lambda: len(stripe.attempts()) >= 10, timeout=30)
        assert {attempt["status"] for attempt in stripe.attempts()} == {503}
        for path in ("/contacts/", "/apps/"):
            status, body = machine.get(path, cookie)
            assert status in (200, 500, 503) and b"Traceback" not in body
    eventually(settled, timeout=90)
    machine.rest()
    assert_clean(account, again=True)


SMALL = 16 * 1024 * 1024


@contextmanager
def a_small_disk(machine: Machine) -> Iterator[Path]:
    """The inbox on a file system of its own with few megabytes. Skips where mounting is not allowed."""
    folder = machine.engines.sockets / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("no right to mount a file system")
    try:
        if user := server_user():
            os.chown(folder, *user)
        change_postgres(machine, f"create tablespace small location '{folder}'")
        _move_inbox(machine, "small")
        try:
            yield folder
        finally:
            _move_inbox(machine, "pg_default")
            change_postgres(machine, "drop tablespace small")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def _move_inbox(machine: Machine, where: str) -> None:
    with psycopg.connect(machine.environment["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"alter table connections_inboundevent set tablespace {where}")


def test_a_full_disk(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 43: deliveries are refused with 503 and nothing is half written; all come in when there is room again."""
    machine.start_product()
    machine.rest()
    database.close()
    with a_small_disk(machine) as disk:
        filler = disk / "filler"
        _fill(filler)
        machine.thaw("beat")
        account.create_customer(email="large@mill.example", metadata={f"k{n}": "x" * 400 for n in range(20)})
        for _ in range(3):
            happened(account)
        eventually(lambda: 503 in {attempt["status"] for attempt in stripe.attempts()}, timeout=60)
        filler.unlink()
        eventually(settled, timeout=90)
        machine.rest()
        assert_clean(account, again=True)
        database.close()


def _fill(path: Path) -> None:
    """To the last block."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b" " * 4096)


def _is_read_only(machine: Machine) -> bool:
    with psycopg.connect(machine.environment["DATABASE_URL"]) as server:
        return server.execute("show default_transaction_read_only").fetchone() == ("on",)


def test_no_connection_is_free(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 45: others hold every connection. Deliveries are refused with 503, and go in when there is room."""
    machine.start_product()
    machine.rest()
    for name in ("web", "worker"):
        machine.kill(name)
    taken = list(_all_connections(machine))
    machine.again("web")
    body = json.dumps(event(1, "issuing_card.created", int(time.time()))).encode()
    headers = {"Stripe-Signature": sign(connected, body), "Content-Type": "application/json"}
    eventually(lambda: machine.post(connected.hook_path, body, headers)[0] == 503, timeout=60)
    happened(account)
    eventually(lambda: len(stripe.attempts()) >= 4, timeout=60)
    # 0: with all threads waiting for a connection, some are not answered before the caller gives up.
    assert {attempt["status"] for attempt in stripe.attempts()} <= {503, 0}
    for one in taken:
        one.close()
    machine.start_product()
    eventually(lambda: machine.post(connected.hook_path, body, headers)[0] == 200, timeout=30)
    eventually(settled, timeout=90)
    machine.rest()
    assert_clean(account)


def _all_connections(machine: Machine) -> Iterator[psycopg.Connection]:
    while True:
        try:
            yield psycopg.connect(machine.environment["DATABASE_URL"])
        except psycopg.OperationalError:
            return


def test_a_deadlock_is_tried_again(connected: Connection, account: SandboxAccount, stripe: Sandbox) -> None:
    """Row 42: two customers locked crosswise with a stranger. One side is refused; the events count no attempt."""
    stripe.hold()
    customers = [account.create_customer(email=f"d{number}@mill.example", name="Dan Dead") for number in range(2)]
    _store(connected, account)
    inbox.drain()
    for customer in customers:
        account.update_customer(customer["id"], phone="new")
    _store(connected, account)
    first, last = RemoteObject.objects.filter(type="customer").order_by("external_id")
    threads = [threading.Thread(target=_drain)]
    with transaction.atomic():
        RemoteObject.objects.select_for_update().get(pk=last.pk)
        threads[0].start()
        eventually(someone_waits_for_us)
        with suppress(OperationalError), transaction.atomic():
            # Whichever side the database chooses: the worker, or us.
            RemoteObject.objects.select_for_update().get(pk=first.pk)
        transaction.set_rollback(True)
    threads[0].join(60)
    assert not InboundEvent.objects.filter(attempts__gt=0).exists()
    work()
    assert_clean(account)


def _store(connection: Connection, account: SandboxAccount) -> None:
    for one in account.events():
        body = json.dumps(one).encode()
        stored_events.store(connection, translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)


def _drain() -> None:
    inbox.drain()
    database.close()


def test_the_clock_of_a_worker_decides_nothing(connected: Connection, account: SandboxAccount, stripe: Sandbox) -> None:
    """Row 46: claims, leases and waits go by the database's clock, wherever the process believes to be in time."""
    stripe.hold()
    account.create_customer(email="ada@mill.example")
    _store(connected, account)
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        (mine,) = InboundEvent.objects.claim(1)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1)):
        assert InboundEvent.objects.release_expired() == []
        assert InboundEvent.objects.claim(1) == []
        mine.later(timedelta(minutes=5))
        assert InboundEvent.objects.claim(1) == []
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        InboundEvent.objects.update(next_attempt_at=Now())
        inbox.drain()
    assert InboundEvent.objects.get().state == "done"
    assert_clean(account)
