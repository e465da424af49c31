"""The supervisor: restarts what died, stops in order, and leaves nothing even when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.data import ROOT
from local.processes import Program, Supervisor
from local.watcher import alive
from tests.waiting import eventually

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)",
]

# A supervisor in a process of its own, which prints the ids of its children and waits.
SCRIPT = """
import pathlib, sys, time
from local.processes import Program, Supervisor
supervisor = Supervisor(pathlib.Path(sys.argv[1]))
supervisor.remove_at_end(pathlib.Path(sys.argv[1]) / "sockets")
for name in ("one", "two"):
    supervisor.start(Program(name, [sys.executable, "-c", "import subprocess, sys; subprocess.run(['sleep', '600'])"]))
print(*supervisor.pids().values(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path)
    yield supervisor
    supervisor.close()


def test_a_dead_child_starts_again(supervisor: Supervisor) -> None:
    supervisor.start(Program("sleeper", SLEEP))
    first = supervisor.pids()["sleeper"]
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.restart_dead()
        return supervisor.alive("sleeper") and supervisor.pids()["sleeper"] != first

    eventually(restarted)


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(supervisor: Supervisor) -> None:
    supervisor.start(Program("failing", [sys.executable, "-c", "print('here')"]))
    end = time.monotonic() + 3
    while time.monotonic() < end:
        supervisor.restart_dead()
        time.sleep(0.02)
    assert 1 <= supervisor.log_end("failing", 100).count("here") <= 4


def test_a_child_that_does_not_listen_is_killed(supervisor: Supervisor) -> None:
    supervisor.start(Program("stubborn", STUBBORN, patience=0.3))
    eventually(lambda: "1" in supervisor.log_end("stubborn"))
    pid = supervisor.pids()["stubborn"]
    supervisor.close()
    assert not alive(pid)


def group_is_gone(pid: int) -> bool:
    """Whether no process of the group is left but zombies, which only process 1 can clear away."""
    members = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _group(entry) == pid]
    return not any(alive(int(entry.name)) for entry in members)


def _group(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        return None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_when_the_supervisor_dies(tmp_path: Path, number: int) -> None:
    (tmp_path / "sockets").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever runs the tests under nohup has it ignored, and so would every child.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert process.stdout
    children = [int(word) for word in process.stdout.readline().split()]
    assert len(children) == 2
    assert not any(group_is_gone(child) for child in children)
    process.send_signal(number)
    process.wait(10)
    for child in children:
        eventually(lambda child=child: group_is_gone(child), what=f"end of {child}")
    eventually(lambda: not (tmp_path / "sockets").exists())
