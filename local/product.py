"""The product's own processes and the environment they share."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from local.data import ROOT, DataFolder
from local.processes import Program, Supervisor

READY_PATIENCE = 60.0
WEB_THREADS = 16


class StartError(Exception):
    """Something does not start; the text is for the person at the terminal."""


def free_port(wanted: int) -> int:
    """`wanted`, or the next port nobody listens on."""
    for port in range(wanted, min(wanted + 200, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartError(f"No free port from {wanted} on.")


_kept: list[socket.socket] = []


def keep_port(wanted: int) -> int:
    """A free port that nobody else who asks for one to keep gets while this process lives, listened on or not."""
    while True:
        port = free_port(wanted)
        kept = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name: it is no file, and gone with its process however that ends.
            kept.bind(f"\0millrace-port-{port}")
        except OSError as error:
            kept.close()
            if error.errno != errno.EADDRINUSE:
                # No such names on this system: the port is free, and that is all there is to know.
                return port
            wanted = port + 1
            continue
        _kept.append(kept)
        return port


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def web(port: int, environment: Mapping[str, str]) -> Program:
    command = python("-m", "granian", "config.wsgi:application", "--interface", "wsgi", "--host", "127.0.0.1")
    command += ["--port", str(port), "--workers", "1", "--blocking-threads", str(WEB_THREADS), "--no-ws"]
    command += ["--http1-header-read-timeout", "10000"]
    return Program("web", command, {**environment, "PROCESS": "web"})


def worker(environment: Mapping[str, str]) -> Program:
    """Works what is in the database: a process a core. Pages and Stripe's deliveries are answered first."""
    count = str(max(2, min(4, os.cpu_count() or 2)))
    program = _worker("worker", environment, "--queues", "inbox", "--concurrency", count)
    return replace(program, command=["nice", "-n", "5", *program.command])


def stripe_worker(environment: Mapping[str, str], name: str = "stripe worker") -> Program:
    """Talks to Stripe: mostly waits, so threads do. Apart, so that a slow Stripe never holds up the inbox."""
    return _worker(name, environment, "--queues", "stripe", "--pool", "threads", "--concurrency", "12")


def stripe_workers(environment: Mapping[str, str]) -> list[Program]:
    """Two where there are processors for them: what an import reads is written by a processor each."""
    names = ("stripe worker", "stripe worker 2")[: os.cpu_count() or 1]
    return [stripe_worker(environment, name) for name in names]


# Of the C library. Else each thread keeps what it once needed for itself, and what it took to parse a page of a list,
# twelve times its size for a moment, is never given back; see bench/README.md.
_MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}


def _worker(name: str, environment: Mapping[str, str], *options: str) -> Program:
    command = python("-m", "celery", "-A", "config.celery", "worker", *options)
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    return Program(name, command, {**_MEMORY, **environment, "PROCESS": "worker"})


def beat(data: DataFolder, environment: Mapping[str, str]) -> Program:
    schedule = data.path / "beat-schedule"
    command = python("-m", "celery", "-A", "config.celery", "beat", "--schedule", str(schedule), "--pidfile=")
    return Program("beat", [*command, "--loglevel", "WARNING"], environment)


def prepare(environment: Mapping[str, str], *commands: str, given: str = "") -> None:
    """Migrate, then run the named management commands, all in one process; what they print goes to the terminal.

    `given` is their standard input. StartError when one fails.
    """
    done = subprocess.run(
        python("-m", "local.prepare", *commands),
        env={**os.environ, **environment},
        cwd=ROOT,
        input=given.encode(),
        start_new_session=True,
    )
    if done.returncode:
        raise StartError("The database could not be prepared; the reason stands above.")


def answers(port: int, path: str) -> bool:
    """Whether a server on this port answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def wait_until_ready(supervisor: Supervisor, name: str, port: int, path: str) -> None:
    """StartError with the end of its log when the program is not up in time."""
    give_up = time.monotonic() + READY_PATIENCE
    while not answers(port, path):
        if not supervisor.alive(name) or time.monotonic() > give_up:
            raise StartError(f"{name} does not start:\n{supervisor.log_end(name)}")
        time.sleep(0.05)


def default_data() -> Path:
    return Path(os.environ.get("MILLRACE_DATA") or ROOT / "var")
