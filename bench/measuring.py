"""Time and CPU of a part of a benchmark."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psycopg

from bench import machine
from bench.stage import Stage


@dataclass(frozen=True)
class Measured:
    """CPU in ms a record."""

    name: str
    records: int
    seconds: float
    application: float
    postgres: float
    others: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds

    @property
    def cpu(self) -> float:
        return self.application + self.postgres

    def line(self) -> str:
        return (
            f"{self.name:34} {self.rate:7,.0f} records/s  {self.cpu:6.3f} CPU ms a record (application "
            f"{self.application:.3f}, PostgreSQL {self.postgres:.3f}); "
            f"ceiling of 2 free cores {2000 / max(self.cpu, 0.001):,.0f}/s; others used {self.others:.1f} cores"
        )


class Measuring:
    """Time and CPU of a block. `pids`: the processes that count as the application; this one only if named."""

    def __init__(self, there: Stage, name: str, records: int, pids: list[int]) -> None:
        self._there, self._name, self._records, self._pids = there, name, records, pids
        self.result: Measured | None = None

    def __enter__(self) -> Measuring:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("analyze")
        self._before = self._look()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._started
        own, postgres, busy, rest = (b - a for a, b in zip(self._before, self._look(), strict=True))
        self.result = Measured(
            self._name,
            self._records,
            seconds,
            own * 1000 / self._records,
            postgres * 1000 / self._records,
            max(0.0, (busy - own - postgres - rest) / seconds),
        )

    def _look(self) -> tuple[float, ...]:
        """CPU of the application, of PostgreSQL, of the machine, and of what belongs to the benchmark."""
        lists_ = self._there.supervisor.pids()["lists"]
        rest = machine.use_of([lists_]).cpu + (0.0 if os.getpid() in self._pids else time.process_time())
        own = sum(time.process_time() if pid == os.getpid() else machine.use_of([pid]).cpu for pid in self._pids)
        return own, machine.use_of([self._there.postgres]).cpu, machine.machine_cpu(), rest
