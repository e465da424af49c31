"""The product behind PgBouncer in transaction mode: what one leaves in a session is not there for the next."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from connections.models import Connection
from local import product
from local.engines import server_user
from local.processes import Program
from sandbox.stripe import SandboxAccount
from tests.connections.test_any_order import happened
from tests.faults.audit import assert_clean
from tests.faults.machine import Machine, PortKeeper
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="no PgBouncer on the path")
# Fewer than there are processes and threads of the product, so that they must share.
SESSIONS = 3
LIMITS = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s", "statement_timeout": "60s"}
PAGES = ("/contacts/", "/orders/", "/recurring-payments/", "/segments/", "/automations/", "/apps/stripe/")


@contextmanager
def pooled(machine: Machine, ports: PortKeeper) -> Iterator[str]:
    """DATABASE_URL by way of the pooler, set up as docs/scaling.md says."""
    port, folder = ports.port(9400), machine.engines.sockets / "pgbouncer"
    folder.mkdir(exist_ok=True)
    user = server_user()
    if user:
        shutil.chown(folder, *user)
    host = parse_qs(urlsplit(machine.environment["DATABASE_URL"]).query)["host"][0]
    (folder / "pgbouncer.ini").write_text(_configuration(host, port, folder))
    command = ["pgbouncer", str(folder / "pgbouncer.ini")]
    machine.supervisor.start(Program("pgbouncer", command, user=user, folder=folder))
    address = f"postgres://millrace@127.0.0.1:{port}/postgres"
    try:
        with _limits(machine):
            eventually(lambda: _answers(address), timeout=30, what="the pooler answers")
            yield address
    finally:
        for name in machine.running():
            if name not in ("postgres", "valkey"):
                machine.kill(name)


def _configuration(host: str, port: int, folder: Path) -> str:
    return f"""
[databases]
postgres = host={host} user=millrace
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pidfile = {folder}/pid
auth_type = any
pool_mode = transaction
default_pool_size = {SESSIONS}
max_client_conn = 200
ignore_startup_parameters = options
"""


@contextmanager
def _limits(machine: Machine) -> Iterator[None]:
    """The limits that a process sends when it connects stand at its role instead."""
    _alter(machine, *(f"set {name} = '{value}'" for name, value in LIMITS.items()))
    try:
        yield
    finally:
        _alter(machine, *(f"reset {name}" for name in LIMITS))


def _alter(machine: Machine, *changes: str) -> None:
    with psycopg.connect(machine.environment["DATABASE_URL"], autocommit=True) as server:
        for change in changes:
            server.execute(f"alter role millrace {change}")


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_everything_works_behind_a_transaction_pooler(
    machine: Machine,
    connected: Connection,
    account: SandboxAccount,
    ports: PortKeeper,
    settled: Callable[[], bool],
    cookie: str,
) -> None:
    """Web, workers and beat with three sessions among them: events, pages; nothing is left behind in one."""
    for name in ("web", "worker", "beat"):
        if name in machine.running():
            machine.kill(name)
    with pooled(machine, ports) as address:
        own = {**machine.environment, "DATABASE_URL": address}
        machine.supervisor.start(product.web(machine.web_port, own))
        eventually(machine.web_answers, timeout=60, what="the web answers")
        machine.start_worker("pooled worker", DATABASE_URL=address)
        machine.start_worker("second pooled worker", DATABASE_URL=address)
        machine.start_beat()
        for _ in range(3):
            happened(account)
        eventually(settled, timeout=90)
        assert [path for path in PAGES if machine.get(path, cookie)[0] != 200] == []
        assert 0 < _sessions(machine) <= SESSIONS
        assert _limit_of_a_session(address) == "5s"
        machine.rest()
        assert _advisory_locks(machine) == 0
    assert_clean(account)


def _sessions(machine: Machine) -> int:
    """Of the product at the server; this test's own is a different one."""
    names = "select count(*) from pg_stat_activity where application_name like 'millrace w%'"
    with psycopg.connect(machine.environment["DATABASE_URL"]) as server:
        row = server.execute(names).fetchone()
    return int(row[0]) if row else 0


def _limit_of_a_session(address: str) -> str:
    with psycopg.connect(address) as session:
        row = session.execute("show lock_timeout").fetchone()
    return str(row[0]) if row else ""


def _advisory_locks(machine: Machine) -> int:
    with psycopg.connect(machine.environment["DATABASE_URL"]) as server:
        row = server.execute(
            "select count(*) from pg_locks where locktype = 'advisory' "
            "and database = (select oid from pg_database where datname = current_database())"
        ).fetchone()
    return int(row[0]) if row else -1
