"""What a killed run left behind: our own old server is stopped, a stranger never."""

import os
import signal
import time
from pathlib import Path

from local.watcher import alive, send

PATIENCE = 10.0


def _runs_on(pid: int, cluster: Path) -> bool:
    """Whether the process is a PostgreSQL on this very folder: numbers are reused, folders are not."""
    try:
        return os.path.realpath(f"/proc/{pid}/cwd") == str(cluster.resolve())
    except OSError:
        return False


def stop_leftover_postgres(cluster: Path) -> None:
    """Stop the server that still runs on `cluster` from an earlier start whose supervisor is gone."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    if not Path("/proc").is_dir() or not _runs_on(pid, cluster):
        return
    send(pid, signal.SIGINT, group=False)
    give_up = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < give_up:
        time.sleep(0.05)
    send(pid, signal.SIGKILL, group=True)
