"""Running the product from a data folder: what `start` and `demo` share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from local.data import DataFolder, DataInUseError
from local.engines import EngineError, Engines
from local.processes import Supervisor
from local.product import StartError, beat, stripe_workers, wait_until_ready, web, worker

RUNTIME = "runtime.json"


class Stop(SystemExit):
    """A signal asked for the end; raised so that even a start that is under way cleans up."""


def _say(text: str) -> None:
    print(text, flush=True)


def _stop_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        raise Stop(0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


class Running:
    """Engines and processes on one data folder. `environment` is what every process and `bin/manage` get."""

    def __init__(self, data: DataFolder, supervisor: Supervisor, engines: Engines, kind: str) -> None:
        self.data = data
        self.supervisor = supervisor
        self.engines = engines
        self.kind = kind
        self.environment = {**data.secrets(), **engines.start()}

    def start_product(self, port: int) -> None:
        """Web, worker and beat; returns when the health page answers."""
        self.supervisor.start(web(port, self.environment))
        self.supervisor.start(worker(self.environment))
        for program in stripe_workers(self.environment):
            self.supervisor.start(program)
        self.supervisor.start(beat(self.data, self.environment))
        wait_until_ready(self.supervisor, "web", port, "/health/")
        self.record()

    def record(self) -> None:
        """Tell `bin/manage` where the engines are."""
        content = {"kind": self.kind, "pid": os.getpid(), "environment": self.environment}
        self.data.write(RUNTIME, {**content, "processes": self.supervisor.pids()})

    def keep_running(self) -> None:
        """Until a signal comes."""
        while True:
            time.sleep(0.3)
            if self.supervisor.restart_dead():
                self.record()


@contextlib.contextmanager
def running(path: Path, kind: str, in_use: str, *, wait: float = 1) -> Iterator[Running]:
    """Engines on this folder, stopped at the end of the block however it ends. Leaves the program on errors."""
    data = DataFolder(path)
    try:
        data.lock(wait=wait)
    except DataInUseError:
        sys.exit(in_use)
    supervisor = Supervisor(data.logs, _say)
    engines = Engines(data.path, supervisor)
    supervisor.remove_at_end(engines.sockets)
    _stop_on_signals()
    try:
        yield Running(data, supervisor, engines, kind)
    except (EngineError, StartError) as error:
        sys.exit(str(error))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        # After a hang-up there may be nobody left to tell.
        with contextlib.suppress(OSError):
            _say("Stopping; the data stays.")
        (data.path / RUNTIME).unlink(missing_ok=True)
        engines.stop()
