"""Where benchmarks play: engines of their own with everything on that production has on, a sandbox Stripe in its own
process, and one account connected with all five resources.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.data import DataFolder
from local.engines import Engines
from local.processes import Program, Supervisor
from local.product import free_port, prepare, python, wait_until_ready, worker
from sandbox.stripe import Sandbox, SandboxAccount, connect

if TYPE_CHECKING:
    from connections.models import Connection

RESOURCES = ("customer", "subscription", "invoice", "charge", "checkout_session")
ROWS = [
    {"from": ["email"], "to": "email", "write": "always"},
    {"from": ["customer.name"], "to": "name", "write": "always"},
    {"from": ["customer.phone"], "to": "phone", "write": "always"},
]


@dataclass
class Stage:
    """`environment`: what every process of the product needs."""

    supervisor: Supervisor
    environment: dict[str, str]
    folder: Path
    sandbox: Sandbox
    account: SandboxAccount

    @property
    def postgres(self) -> int:
        return self.supervisor.pids()["postgres"]

    def start(self, program: Program) -> int:
        """The process id."""
        self.supervisor.start(program)
        return self.supervisor.pids()[program.name]

    def serve(
        self, name: str, application: str, workers: int, threads: int, ready: str = "/health/"
    ) -> tuple[int, int]:
        """A granian of `workers` processes; (process id, port). `ready`: a page that answers 200 once it is up."""
        port = free_port(8600)
        command = python("-m", "granian", application, "--interface", "wsgi", "--host", "127.0.0.1")
        command += ["--port", str(port), "--workers", str(workers), "--blocking-threads", str(threads), "--no-ws"]
        pid = self.start(Program(name, command, {**self.environment, "PROCESS": "web"}))
        wait_until_ready(self.supervisor, name, port, ready)
        return pid, port

    def start_workers(self, processes: int = 2) -> int:
        """The worker of the inbox with its timetable, as `bin/start` runs it. The process id."""
        program = worker(self.environment)
        command = [*program.command]
        command[command.index("--concurrency") + 1] = str(processes)
        command += ["--beat", "--schedule", str(self.folder / "schedule")]
        return self.start(Program("worker", command, program.environment, program.stop_with, 30))


@contextlib.contextmanager
def stage(**settings: str) -> Iterator[Stage]:
    """Everything is gone when the block ends, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    supervisor = Supervisor(DataFolder(folder).logs)
    # Not throwaway: commits reach the disk, as they do in production.
    engines = Engines(folder, supervisor)
    for path in (folder, engines.sockets):
        supervisor.remove_at_end(path)
    try:
        sandbox = f"http://127.0.0.1:{(port := free_port(8500))}"
        environment = {
            **DataFolder(folder).secrets(),
            **engines.start(),
            "STRIPE_API_BASE": sandbox,
            "STRIPE_RATE_LIMIT": "0",
            "SITE_URL": "http://127.0.0.1:8600",
            "LOG_LEVEL": "WARNING",
            **settings,
        }
        supervisor.start(Program("sandbox", python("-m", "sandbox.stripe", "--port", str(port))))
        wait_until_ready(supervisor, "sandbox", port, "/")
        prepare(environment)
        os.environ.update(environment)
        _set_up_django()
        there = connect(sandbox)
        there.hold()
        yield Stage(supervisor, environment, folder, there, there.account("shop", local_webhooks=True))
    finally:
        from local.engines import forget_cluster

        engines.stop()
        forget_cluster(engines.data)
        shutil.rmtree(folder, ignore_errors=True)


def connect_shop(there: Stage, *, sync: str = "new_only", kinds: tuple[str, ...] = RESOURCES) -> Connection:
    """The account connected with the usual events and mapping, whenever the events happened."""
    from connections import setup
    from connections.models import Connection, Resource
    from connections.setup import Choice
    from connections.sources.stripe import events

    connection = setup.connect(there.account.key)
    for kind in kinds:
        setup.add_resource(connection, Choice(kind, sync, Resource.Data.ALL, events.defaults(kind), ROWS))
    Resource.objects.update(since=connection.account_created_at)
    return Connection.objects.get()


def event_types() -> list[str]:
    """What Stripe would send us."""
    from connections.sources.stripe import events

    return events.wanted({kind: events.defaults(kind) for kind in RESOURCES})


def settle(seconds: float = 0.5) -> None:
    """Let processes that were just started come to rest."""
    time.sleep(seconds)


def _set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
