"""Floods, bodies that lie and senders that dawdle, against the web server as it runs (rows 17, 21 and 23)."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from connections.models import Connection, InboundEvent
from local.data import ROOT
from local.processes import Program
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_endpoint import sign
from tests.connections.test_guard import event
from tests.faults.audit import assert_clean
from tests.faults.conftest import amount, unfinished
from tests.faults.machine import Machine, PortKeeper
from tests.waiting import eventually


def genuine_bodies(stripe: Sandbox, account: SandboxAccount, count: int) -> list[bytes]:
    """Events of Stripe's that it does not deliver itself."""
    stripe.hold()
    for number in range(count):
        account.create_customer(email=f"g{number}@mill.example", name="Gia Genuine", phone=str(number))
    stripe.discard()
    return [json.dumps(one).encode() for one in account.events()]


def assert_worked(machine: Machine, account: SandboxAccount) -> None:
    """What came in is applied, as if nothing had been."""
    machine.start_product()
    eventually(lambda: not unfinished(), timeout=60)
    machine.rest()
    assert_clean(account)


def test_a_flood_of_forged_deliveries(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox
) -> None:
    """Row 17: what is forged is refused, what is genuine is taken among it, and the web keeps its size."""
    machine.start_product()
    machine.rest()
    genuine = genuine_bodies(stripe, account, 30)
    forged = amount("FORGED", 600)
    before = _memory(machine)
    answers: list[tuple[bool, int]] = []

    def send(is_genuine: bool, body: bytes) -> None:
        signature = sign(connected, body) if is_genuine else f"t={int(time.time())},v1={'0' * 64}"
        answers.append((is_genuine, machine.post(connected.hook_path, body, {"Stripe-Signature": signature})[0]))

    def flood(start: int) -> None:
        for number in range(start, forged, 6):
            send(False, json.dumps(event(number, "customer.created", int(time.time()))).encode())

    threads = [threading.Thread(target=flood, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for body in genuine:
        send(True, body)
    for thread in threads:
        thread.join(120)
    assert [status for is_genuine, status in answers if is_genuine] == [200] * len(genuine)
    assert {status for is_genuine, status in answers if not is_genuine} == {400}
    assert InboundEvent.objects.count() == len(genuine)
    assert _memory(machine) - before < 50_000_000
    assert_worked(machine, account)


def test_large_and_untrue_bodies_are_cut_off(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox
) -> None:
    """Row 21: ten megabytes, a length that lies, and no length at all; what comes then is taken as ever."""
    machine.start_product()
    machine.rest()
    before = _memory(machine)
    path = f"POST {connected.hook_path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    for _ in range(3):
        assert machine.post(connected.hook_path, b" " * 10_000_000, {})[0] in (0, 413)
        assert _raw(machine, path + "Content-Length: 10000000\r\n\r\n", [b" " * 1000]) in (0, 400, 413)
        assert _raw(machine, path + "Content-Length: nonsense\r\n\r\n", [b"{}"]) in (0, 400, 413)
        assert _raw(machine, path + "Transfer-Encoding: chunked\r\n\r\n", [chunk] * 10 + [b"0\r\n\r\n"]) in (
            0,
            400,
            411,
            413,
        )
    assert InboundEvent.objects.count() == 0
    assert machine.web_answers()
    assert _memory(machine) - before < 50_000_000
    for body in genuine_bodies(stripe, account, 3):
        assert machine.post(connected.hook_path, body, {"Stripe-Signature": sign(connected, body)})[0] == 200
    assert_worked(machine, account)


@contextmanager
def proxied(machine: Machine, ports: PortKeeper) -> Iterator[int]:
    """The port of the proxy that we ship a configuration for, before the web. Slow for it are three seconds here."""
    port = ports.port(9300)
    environment = {
        "SITE_URL": f"http://127.0.0.1:{port}",
        "UPSTREAM": f"127.0.0.1:{machine.web_port}",
        "SLOWEST_REQUEST": "3s",
        "CADDY_ADMIN": "off",
        "HOME": str(machine.folder),
    }
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / "Caddyfile")]
    machine.supervisor.start(Program("proxy", command, environment))
    eventually(lambda: _listens(port), timeout=30, what="the proxy listens")
    try:
        yield port
    finally:
        machine.kill("proxy")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(shutil.which("caddy") is None, reason="no Caddy on the path")
def test_two_hundred_that_send_a_byte_a_second(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, ports: PortKeeper
) -> None:
    """Row 23: heads and bodies that never end are cut off; what is genuine is answered meanwhile."""
    machine.start_product()
    machine.rest()
    genuine = genuine_bodies(stripe, account, 10)
    with proxied(machine, ports) as proxy:
        _dawdle(machine, connected, proxy, genuine)
    assert_worked(machine, account)


def _dawdle(machine: Machine, connected: Connection, proxy: int, genuine: list[bytes]) -> None:
    path = f"POST {connected.hook_path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    heads = [(port, path) for port in (proxy, machine.web_port) for _ in range(50)]
    bodies = [(proxy, path + "Content-Length: 5000\r\n\r\n")] * 100
    slow = [_begin(port, head) for port, head in heads + bodies]
    stopped = threading.Event()
    threading.Thread(target=_drip, args=(slow, stopped), daemon=True).start()
    try:
        for body in genuine:
            headers = {"Stripe-Signature": sign(connected, body)}
            assert machine.post(connected.hook_path, body, headers, port=proxy)[0] == 200
        assert InboundEvent.objects.count() == len(genuine)
        eventually(lambda: all(map(_is_cut, slow)), timeout=40, what="all are cut off")
    finally:
        stopped.set()
        for wire in slow:
            wire.close()


def _begin(port: int, head: str) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire.sendall(head.encode())
    wire.setblocking(False)
    return wire


def _drip(wires: list[socket.socket], stopped: threading.Event) -> None:
    while not stopped.wait(1):
        for wire in wires:
            with suppress(OSError):
                wire.send(b"a")


def _is_cut(wire: socket.socket) -> bool:
    """Closed, or answered with a refusal, from the other side."""
    try:
        answer = wire.recv(1000)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return answer == b"" or b" 408 " in answer or b" 400 " in answer or b" 502 " in answer


def _raw(machine: Machine, head: str, parts: list[bytes]) -> int:
    """Send as it is; the status, or 0 when the connection is only closed."""
    with socket.create_connection(("127.0.0.1", machine.web_port), timeout=10) as wire:
        try:
            wire.sendall(head.encode())
            for part in parts:
                wire.sendall(part)
            wire.shutdown(socket.SHUT_WR)
            answer = wire.recv(100)
        except OSError:
            return 0
    return int(answer.split()[1]) if answer else 0


def _memory(machine: Machine) -> int:
    """Bytes of the web's processes."""
    pids = [machine.pid("web"), *machine.children("web")]
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in pids)
