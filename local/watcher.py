"""Stops what the supervisor started when the supervisor dies without doing so itself, be it by kill -9.

Reads lines from standard input: `+ PID SIGNAL` for a started process, `- PID` for one that ended, `rm FOLDER` for a
folder to remove at the end. End of file means that the supervisor is gone. Lives in a session of its own.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

# A killed group's zombies answer `kill 0` where process 1 does not reap, so patience is counted in time.
PATIENCE = 3.0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not os.path.exists("/proc/self/stat") or os.path.exists(f"/proc/{pid}")


def send(pid: int, number: int, *, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


def stop(processes: dict[int, int]) -> None:
    """All are asked at once, then killed: what they leave half-done comes back by its lease."""
    for pid, number in reversed(processes.items()):
        send(pid, number, group=False)
    give_up = time.monotonic() + PATIENCE
    while any(map(alive, processes)) and time.monotonic() < give_up:
        time.sleep(0.02)
    for pid in processes:
        send(pid, signal.SIGKILL, group=True)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes: dict[int, int] = {}
    folders: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "+":
            pid, stop_signal = rest.split()
            processes[int(pid)] = int(stop_signal)
        elif word == "-":
            processes.pop(int(rest), None)
        elif word == "rm":
            folders.append(rest)
    stop(processes)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
