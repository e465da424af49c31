"""Floods and bodies that lie, against the web server as it runs (rows 17 and 21)."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

from connections.models import Connection, InboundEvent
from tests.connections.test_endpoint import sign
from tests.connections.test_guard import event
from tests.faults.conftest import amount
from tests.faults.machine import Machine


def test_a_flood_of_forged_deliveries(machine: Machine, connected: Connection) -> None:
    """Row 17: what is forged is refused, what is genuine is taken among it, and the web keeps its size."""
    machine.start_product()
    machine.rest()
    forged, genuine = amount("FORGED", 600), 30
    before = _memory(machine)
    answers: list[tuple[bool, int]] = []

    def send(is_genuine: bool, number: int) -> None:
        body = json.dumps(event(number, "customer.created", int(time.time()))).encode()
        signature = sign(connected, body) if is_genuine else f"t={int(time.time())},v1={'0' * 64}"
        answers.append((is_genuine, machine.post(connected.hook_path, body, {"Stripe-Signature": signature})[0]))

    def flood(start: int) -> None:
        for number in range(start, forged, 6):
            send(False, number)

    threads = [threading.Thread(target=flood, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for number in range(genuine):
        send(True, 1_000_000 + number)
    for thread in threads:
        thread.join(120)
    assert [status for is_genuine, status in answers if is_genuine] == [200] * genuine
    assert {status for is_genuine, status in answers if not is_genuine} == {400}
    assert InboundEvent.objects.count() == genuine
    assert _memory(machine) - before < 50_000_000


def test_large_and_untrue_bodies_are_cut_off(machine: Machine, connected: Connection) -> None:
    """Row 21: ten megabytes, a length that lies, and no length at all."""
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
