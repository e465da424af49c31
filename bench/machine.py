"""What processes cost: CPU seconds and memory of whole process trees, from /proc. Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """CPU seconds since the start, and resident memory in MB of the largest process and of all."""

    cpu: float
    largest: float
    memory: float


def use_of(pids: Iterable[int]) -> Use:
    """Of these processes and everything they started, reaped children included."""
    parents = _parents()
    wanted = set(pids)
    grew = True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in wanted} - wanted
        wanted |= more
        grew = bool(more)
    cpu, sizes = 0.0, [0.0]
    for pid in wanted:
        fields = _stat(pid)
        if fields:
            # utime, stime, and those of children that ended.
            cpu += sum(int(fields[place]) for place in (11, 12, 13, 14)) / _TICKS
            sizes.append(_resident(pid))
    return Use(cpu, max(sizes), sum(sizes))


def busy_elsewhere(seconds: float, own_cpu: float, before: float, after: float) -> float:
    """Cores that others used meanwhile."""
    return max(0.0, (after - before - own_cpu) / seconds)


def machine_cpu() -> float:
    """CPU seconds all processors have worked since the machine started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    # Without idle and iowait; guest time is in user time.
    return sum(int(value) for place, value in enumerate(fields[:8]) if place not in (3, 4)) / _TICKS


def _parents() -> dict[int, int]:
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            found[int(entry)] = int(fields[1])
    return found


def _stat(pid: int) -> list[str]:
    """The fields after the name, beginning with the state."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: int) -> float:
    """MB, shared pages counted by halves among those that share them."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
