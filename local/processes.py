"""Starts processes, restarts those that died, stops them in order, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.data import ROOT
from local.watcher import send

LONGEST_PAUSE = 10.0
LARGEST_LOG = 5_000_000  # bytes, kept once as NAME.log.1


@dataclass(frozen=True)
class Program:
    """One process to run. `user` is (uid, gid) to run as; `stop_with` the signal for a quick orderly end.

    `once`: it has an end of its own and is not started again.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_with: int = signal.SIGTERM
    patience: float = 5.0  # seconds between the signal and SIGKILL
    user: tuple[int, int] | None = None
    folder: Path = ROOT
    once: bool = False


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    pause: float = 0.5
    again_at: float | None = None


class Supervisor:
    """Children run in sessions of their own, so that Ctrl-C reaches only this process."""

    def __init__(self, logs: Path, say: Callable[[str], None] = lambda text: None) -> None:
        self.logs = logs
        self.say = say
        self._children: dict[str, _Child] = {}
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "local.watcher"],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )

    def remove_at_end(self, folder: Path) -> None:
        """Also when this process is killed."""
        self._tell(f"rm {folder}")

    def start(self, program: Program) -> None:
        process = self._spawn(program)
        self._children[program.name] = _Child(program, process, time.monotonic())

    def alive(self, name: str) -> bool:
        return self._children[name].process.poll() is None

    def pids(self) -> dict[str, int]:
        return {name: child.process.pid for name, child in self._children.items()}

    def log_end(self, name: str, lines: int = 15) -> str:
        """The last lines a program wrote."""
        return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def restart_dead(self) -> bool:
        """One look at every child: the dead ones start again, after a growing pause when they keep dying.

        Whether any was started.
        """
        restarted = False
        for child in list(self._children.values()):
            if child.process.poll() is None:
                continue
            if child.program.once:
                self._forget(child)
                continue
            now = time.monotonic()
            if child.again_at is None:
                self._tell(f"- {child.process.pid}")
                # Its own children may live on: a worker's pool, a server's workers.
                send(child.process.pid, signal.SIGKILL, group=True)
                child.pause = 0.5 if now - child.started > 30 else min(child.pause * 2, LONGEST_PAUSE)
                child.again_at = now + child.pause
                self.say(f"{child.program.name} ended ({_ending(child.process.returncode)}); it starts again.")
            elif now >= child.again_at:
                child.process, child.started, child.again_at = self._spawn(child.program), now, None
                restarted = True
        return restarted

    def _forget(self, child: _Child) -> None:
        """It did its work, or says in its log why not."""
        del self._children[child.program.name]
        self._tell(f"- {child.process.pid}")
        if child.process.returncode:
            self.say(f"{child.program.name} ended ({_ending(child.process.returncode)}); see its log.")

    def stop(self, *names: str) -> None:
        """Stop these at once, wait for all, kill those that do not end in time."""
        children = [self._children.pop(name) for name in names if name in self._children]
        for child in children:
            if child.process.poll() is None:
                send(child.process.pid, child.program.stop_with, group=False)
        for child in children:
            try:
                child.process.wait(child.program.patience)
            except subprocess.TimeoutExpired:
                self.say(f"{child.program.name} did not end in time and was killed.")
            send(child.process.pid, signal.SIGKILL, group=True)
            child.process.wait()
            self._tell(f"- {child.process.pid}")

    def close(self, *last: str) -> None:
        """Stop everything: first all but `last`, then those one by one; then the watcher."""
        self.stop(*(name for name in reversed(self._children) if name not in last))
        for name in last:
            self.stop(name)
        if self._watcher.stdin and not self._watcher.stdin.closed:
            self._watcher.stdin.close()
            self._watcher.wait()

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        uid, gid = program.user or (None, None)
        with open(_log_file(self.logs, program.name), "ab") as log:
            process = subprocess.Popen(
                list(program.command),
                env={**os.environ, **program.environment},
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=[] if program.user else None,
            )
        self._tell(f"+ {process.pid} {int(program.stop_with)}")
        return process

    def _tell(self, line: str) -> None:
        if self._watcher.stdin is None or self._watcher.stdin.closed:
            return
        try:
            self._watcher.stdin.write(line.encode() + b"\n")
            self._watcher.stdin.flush()
        except BrokenPipeError:
            self.say("The watcher is gone: after a kill -9 some processes would stay.")


def _log_file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.log"
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".log.1"))
    return path


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
