"""Web and workers on two hosts share the work; only DATABASE_URL and REDIS_URL say where they are (docs/scaling.md).

One of them may vanish (row 41).

Each host is a network namespace with a wire to the machine that has PostgreSQL and Valkey. Without the right to make
namespaces (it needs root and Linux) each is a group of processes with an address of its own. Nothing else is inherited:
`env -i` gives each process its configuration alone.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.db import connection as database
from django.db.models.functions import Now

from connections import setup
from connections.models import Connection, InboundEvent
from connections.setup import Choice
from connections.sources.stripe import events
from local import product
from local.data import ROOT
from local.processes import Program
from sandbox.stripe import Sandbox, SandboxAccount, serve
from sandbox.stripe.server import Server
from sandbox.stripe.world import World
from tests.connections.conftest import ROWS, work
from tests.connections.test_any_order import KINDS, happened
from tests.faults.audit import assert_clean
from tests.faults.conftest import unfinished
from tests.faults.machine import Machine
from tests.faults.test_database import _store
from tests.waiting import eventually

# Hosts have PostgreSQL's own port.
pytestmark = pytest.mark.xdist_group("hosts")
WAVES = 12
# The address a session came to tells which host it is of: each reaches the database by a wire of its own.
WATCH = """
    create table watched (what text, host text);
    create function watch() returns trigger language plpgsql as $$ begin
        -- A poll, which any host may do, may be there before a delivery.
        if inet_server_addr() is not null and (tg_op = 'INSERT' and new.via = 'webhook'
            or tg_op = 'UPDATE' and new.state = 'done' and old.state = 'running') then
            insert into watched values (tg_op, host(inet_server_addr()));
        end if;
        return null;
    end $$;
    create trigger watch after insert or update on connections_inboundevent for each row execute function watch();
"""


@dataclass(frozen=True)
class Host:
    """`wire`: the server's address on the wire to this host. `prefix` runs a command on the host."""

    name: str
    address: str
    wire: str
    prefix: tuple[str, ...] = ()


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    # Nets of this run alone: another may go on beside it.
    first = os.getpid() * 2 % 254
    made = [
        Host(f"mr{os.getpid()}{name}", f"10.88.{number}.2", f"10.88.{number}.1")
        for number, name in ((first, "a"), (first + 1, "b"))
    ]
    try:
        if os.getuid() == 0 and shutil.which("ip") and all(_wired(host) for host in made):
            yield [replace(host, prefix=("ip", "netns", "exec", host.name)) for host in made]
        else:
            yield [Host(name, "127.0.0.1", f"127.88.0.{number}") for number, name in ((1, "a"), (2, "b"))]
    finally:
        for host in made:
            _ip(f"netns delete {host.name}")


def _wired(host: Host) -> bool:
    """A namespace, and a pair of devices as its wire, which go with it."""
    here, there = f"{host.name}0", f"{host.name}1"
    return all(
        _ip(command)
        for command in (
            f"netns add {host.name}",
            f"link add {here} type veth peer name {there} netns {host.name}",
            f"address add {host.wire}/24 dev {here}",
            f"link set {here} up",
            f"-n {host.name} address add {host.address}/24 dev {there}",
            f"-n {host.name} link set {there} up",
            f"-n {host.name} link set lo up",
        )
    )


def _ip(command: str) -> bool:
    with suppress(FileNotFoundError):
        return subprocess.run(["ip", *command.split()], capture_output=True, check=False).returncode == 0
    return False


@pytest.fixture
def servers(machine: Machine, hosts: list[Host]) -> Iterator[Machine]:
    """The machine without a web or workers, its PostgreSQL and Valkey reachable by TCP from both hosts."""
    for name in ("web", "worker", "beat"):
        if name in machine.running():
            machine.kill(name)
    before = {name: machine.supervisor.programs[name] for name in ("postgres", "valkey")}
    wires = [host.wire for host in hosts]
    rules = machine.folder / "postgres" / "pg_hba.conf"
    rules.write_text(rules.read_text() + "".join(f"host all millrace {wire}/24 trust\n" for wire in wires))
    more = {
        "postgres": ["-c", f"listen_addresses={','.join(wires)}"],
        "valkey": ["--bind", "127.0.0.1", *wires, "--protected-mode", "no"],
    }
    try:
        for name, options in more.items():
            _start_again(machine, replace(before[name], command=[*before[name].command, *options]))
        with _watching():
            yield machine
    finally:
        for program in before.values():
            _start_again(machine, program)


def _start_again(machine: Machine, program: Program) -> None:
    connections.close_all()
    machine.stop(program.name)
    machine.supervisor.programs[program.name] = program
    machine.again(program.name)


@contextmanager
def _watching() -> Iterator[None]:
    with database.cursor() as cursor:
        cursor.execute(WATCH)
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("drop trigger watch on connections_inboundevent; drop function watch; drop table watched")


def test_two_hosts_share_the_work(servers: Machine, hosts: list[Host], settings: Any) -> None:
    """Deliveries come in at A's web; the workers of A and of B apply them; then the audit of every fault."""
    first, second = hosts
    settings.SITE_URL = f"http://{first.address}:{servers.web_port}"
    world = World()
    port = _stripe_port(servers)
    with serve(world, port=port) as stripe, _stripe_on_the_wires(world, hosts, port):
        stripe.deliveries(retry_after=0.25, longest_pause=2, attempts=120, timeout=10)
        common = {
            "SECRET_KEY": os.environ["SECRET_KEY"],
            "FIELD_KEYS": os.environ["FIELD_KEYS"],
            "SITE_URL": settings.SITE_URL,
        }
        _start(servers, first, common, _web(servers, first), product.beat(servers.data, {}), *_workers())
        _start(servers, second, common, *_workers())
        eventually(lambda: _answers(first, servers.web_port), timeout=60, what="the web of host A answers")
        account = stripe.account("main", local_webhooks=True)
        connection = setup.connect(account.key)
        for kind in KINDS:
            setup.add_resource(connection, Choice(kind, "new_only", "all", events.defaults(kind), ROWS))

        for _ in range(WAVES):
            happened(account)
            eventually(lambda: stripe.deliveries()["idle"] and not unfinished(), timeout=60)
            if len(_who("UPDATE")) == 2:
                break
        assert set(_who("INSERT")) == {first.wire}, "A's web stored each delivery"
        assert set(_who("UPDATE")) == {first.wire, second.wire}, "workers of both applied some"
        servers.stop(*(name for name in servers.running() if name not in ("postgres", "valkey")))
        assert_clean(account, again=True)


# A worker in the middle of its work, on the other host.
HOLDER = """
import django, time
django.setup()
from django.db import connection, transaction
from connections.models import Connection, InboundEvent
InboundEvent.objects.claim(100)
with transaction.atomic():
    Connection.objects.select_for_update().get()
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_host_that_vanishes_gives_its_locks_back(
    servers: Machine, hosts: list[Host], connected: Connection, account: SandboxAccount, stripe: Sandbox
) -> None:
    """Row 41: its wire is cut in the middle of a transaction. Nobody says goodbye, and others take over what it had."""
    host = hosts[1]
    if not host.prefix:
        pytest.skip("no right to make network namespaces")
    database_url = f"postgres://millrace@{host.wire}:5432/postgres"
    own = {"DATABASE_URL": database_url, "PROCESS": "worker", "DATABASE_SILENCE_SECONDS": "1"}
    environment = {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [*host.prefix, sys.executable, "-c", HOLDER]
    stripe.hold()
    happened(account)
    _store(connected, account)
    holder = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        assert not _is_free(connected)
        assert _ip(f"link set {host.name}0 down")
        eventually(lambda: _is_free(connected), timeout=30, what="the locks of the vanished host are gone")
    finally:
        holder.kill()
        holder.wait()
    assert InboundEvent.objects.claimed().exists()
    InboundEvent.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))
    work()
    assert_clean(account, again=True)


def _is_free(connection: Connection) -> bool:
    try:
        with transaction.atomic():
            Connection.objects.select_for_update(nowait=True).get(pk=connection.pk)
    except OperationalError:
        return False
    return True


def _stripe_port(machine: Machine) -> int:
    return int(machine.stripe_base.rpartition(":")[2])


@contextmanager
def _stripe_on_the_wires(world: World, hosts: list[Host], port: int) -> Iterator[None]:
    """The sandbox at the same port on each wire; its own address is only reached from this machine."""
    doors = [Server(world, host.wire, port) for host in hosts]
    for door in doors:
        threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield
    finally:
        for door in doors:
            door.shutdown()
            door.server_close()


def _web(machine: Machine, host: Host) -> Program:
    program = product.web(machine.web_port, {})
    return replace(program, command=[host.address if part == "127.0.0.1" else part for part in program.command])


def _workers() -> list[Program]:
    return [product.worker({}), product.stripe_worker({})]


def _start(machine: Machine, host: Host, common: dict[str, str], *programs: Program) -> None:
    own = {
        "DATABASE_URL": f"postgres://millrace@{host.wire}:5432/postgres",
        "REDIS_URL": f"redis://{host.wire}:{machine.valkey_port}/0",
        # Only the sandbox needs this; Stripe has one address for everybody.
        "STRIPE_API_BASE": f"http://{host.wire}:{_stripe_port(machine)}",
    }
    for program in programs:
        told = {"PATH": os.environ["PATH"], **common, **own, **program.environment}
        alone = ["env", "-i", *(f"{name}={value}" for name, value in told.items())]
        assert sys.executable in program.command
        command = [*host.prefix, *alone, *program.command]
        machine.supervisor.start(replace(program, name=f"{program.name} of {host.name}", command=command))


def _answers(host: Host, port: int) -> bool:
    wire = http.client.HTTPConnection(host.address, port, timeout=5)
    try:
        wire.request("GET", "/sign-in/")
        return wire.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        wire.close()


def _who(what: str) -> dict[str, int]:
    """How many events each host stored as delivered (INSERT) or applied (UPDATE), by the address of its wire."""
    with database.cursor() as cursor:
        cursor.execute("select host, count(*) from watched where what = %s group by host", [what])
        return dict(cursor.fetchall())
