"""`bin/start` as a person uses it: address, second start, restart of what died, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.data import ROOT, DataFolder
from local.engines import forget_cluster, socket_path
from local.product import answers, free_port, keep_port
from tests.local.test_processes import group_is_gone
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

# The addresses of the test's own engines must not be taken for a user's wish.
FOREIGN = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_KEYS", "EMAIL_URL"}


def run(module: str, data: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**environment, "MILLRACE_DATA": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@dataclass
class Started:
    process: subprocess.Popen[str]
    data: Path
    printed: str
    port: int

    @property
    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads((self.data / "runtime.json").read_text())["processes"]
        return pids


def start(data: Path) -> Started:
    process = run("local.start", data, "--port", str(free_port(8700)))
    printed = ""
    assert process.stdout
    for line in process.stdout:
        printed += line
        if found := re.search(r"runs at http://127\.0\.0\.1:(\d+)", line):
            return Started(process, data, printed, int(found.group(1)))
    raise AssertionError(f"it did not start:\n{printed}")


def clear(started: Started) -> None:
    """No socket is left, nor what root keeps outside of the data folder."""
    eventually(lambda: not socket_path(started.data).exists())
    forget_cluster(started.data)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    # A long path: sockets must not live below it.
    running = start(tmp_path_factory.mktemp("x" * 100) / "data")
    yield running
    running.process.kill()
    running.process.wait(10)
    clear(running)


def test_the_address_is_printed_when_the_page_answers(started: Started) -> None:
    assert answers(started.port, "/health/")


def test_the_first_start_prints_an_invitation_that_works(started: Started) -> None:
    found = re.search(r"http://127\.0\.0\.1:\d+(/invitation/\S+)", started.printed)
    assert found
    assert answers(started.port, found.group(1))


def test_a_second_start_is_refused_in_one_sentence(started: Started) -> None:
    output, _ = run("local.start", started.data).communicate(timeout=30)
    assert output.strip() == f"Millrace already runs from this folder ({started.data})."


def test_manage_works_on_the_running_engines(started: Started) -> None:
    command = "from users.models import Invitation; print('open:', Invitation.objects.count())"
    output, _ = run("local.manage", started.data, "shell", "--no-imports", "-c", command).communicate(timeout=60)
    assert "open: 1" in output


def test_secrets_are_for_the_owner_alone(started: Started) -> None:
    for name in ("secrets.json", "runtime.json"):
        assert (started.data / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["web", "valkey", "postgres"])
def test_what_died_starts_again(started: Started, name: str) -> None:
    before = started.pids[name]
    os.killpg(before, signal.SIGKILL)
    eventually(lambda: started.pids[name] != before, what="its new number")
    eventually(lambda: answers(started.port, "/health/"), timeout=40, what="it is back")


def test_two_that_start_at_once_have_ports_of_their_own() -> None:
    """Between the choice of a port and the web's listening there lie all migrations."""
    first = keep_port(8900)
    assert free_port(first) == first and keep_port(first) > first


def test_ctrl_c_leaves_nothing(started: Started) -> None:
    pids = started.pids
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(30) == 0
    for name, pid in pids.items():
        eventually(lambda pid=pid: group_is_gone(pid), timeout=40, what=f"end of {name}")
    assert not (started.data / "runtime.json").exists()


def test_after_a_kill_nothing_is_left_and_the_data_is_there(tmp_path: Path) -> None:
    first = start(tmp_path / "data")
    pids = first.pids
    first.process.kill()
    first.process.wait(10)
    for name, pid in pids.items():
        eventually(lambda pid=pid: group_is_gone(pid), timeout=40, what=f"end of {name}")
    eventually(lambda: not DataFolder(first.data).in_use())

    command = "from users.models import Invitation; print('open:', Invitation.objects.count())"
    output, _ = run("local.manage", first.data, "shell", "--no-imports", "-c", command).communicate(timeout=60)
    assert "open: 1" in output
    clear(first)


def test_a_port_in_use_is_left_to_its_owner() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port


def test_nobody_answering_is_no_answer() -> None:
    assert not answers(free_port(8790), "/health/")
