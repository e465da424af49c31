"""bin/bench history: what importing an account's past costs, from Stripe's lists to contacts, orders and log."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench import beside, floor, machine
from bench.measuring import Measured, Measuring
from bench.past import KINDS, Past, check, lived, serve_lists
from bench.stage import Stage, connect_shop, settle, stage
from local.product import stripe_workers

if TYPE_CHECKING:
    from connections.models import SyncRun

PATIENCE = 1200.0
# Slower than this, in records a second, an import is given up.
SLOWEST = 100
# Seconds between two lines of `--trace`.
TRACED = 30.0


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench history", description=__doc__)
    parser.add_argument("--people", type=int, default=5000, help="customers; each has 6 objects in the four lists")
    parser.add_argument("--latency", type=float, default=100, help="of an answer of the API, in milliseconds")
    parser.add_argument("--limit", type=float, default=0, help="requests a second that are allowed; 0 is any number")
    parser.add_argument("--profile", type=Path, help="walk in this process instead of a worker's, and write a profile")
    parser.add_argument("--trace", action="store_true", help="tell now and then how far it is, at what cost")
    beside.add_option(parser)
    chosen = parser.parse_args(arguments)
    with stage(STRIPE_RATE_LIMIT=str(chosen.limit)) as there:
        past = lived(there, chosen.people)
        port = serve_lists(there, past, chosen.latency)
        print(f"{os.cpu_count()} cores; {past.records:,} records; answers after {chosen.latency:.0f} ms", flush=True)
        ours = _ours(there, past, port, chosen.profile, trace=chosen.trace)
        if chosen.limit:
            return
        fetched = floor.fetch(there, past, port, "floor: bare fetch", lambda rows, stock: None)
        stored = floor.fetch(there, past, port, "floor: fetch and one upsert a page", floor.upsert)
        print(
            f"\nrate: {ours.rate / fetched.rate:.2f} of the fetch, {ours.rate / stored.rate:.2f} of fetch and upsert; "
            f"CPU: {ours.cpu / fetched.cpu:.1f} times the fetch, {ours.cpu / stored.cpu:.1f} times fetch and upsert"
        )
        if chosen.beside:
            peer = beside.walk(there, chosen.beside, past, chosen.latency)
            print(f"to {peer.name}: rate {ours.rate / peer.rate:.2f}, CPU {ours.cpu / peer.cpu:.2f} times its")


def _ours(there: Stage, past: Past, port: int, profile: Path | None, *, trace: bool) -> Measured:
    from connections import historical
    from connections.models import Connection

    connection = connect_shop(there, kinds=KINDS)
    Connection.objects.update(account_created_at=datetime.fromtimestamp(past.begin, UTC))
    connection.refresh_from_db()
    # To the newest object: what the bare fetch asks for as well.
    until = datetime.fromtimestamp(past.end, UTC)
    runs = [historical.start(resource, until=until) for resource in connection.resources.select_related("connection")]
    os.environ["STRIPE_API_BASE"] = there.environment["STRIPE_API_BASE"] = f"http://127.0.0.1:{port}"
    for run in runs:
        historical.pause(run)
    measured = _in_this_process(there, past, runs, profile) if profile else _by_worker(there, past, runs, trace)
    print(measured.line(), flush=True)
    check(past)
    return measured


def _by_worker(there: Stage, past: Past, runs: list[SyncRun], trace: bool) -> Measured:
    pids = [there.start(walker) for walker in stripe_workers(there.environment)] + [there.start_workers()]
    # Until they have started and have once looked for work, which costs nothing a record.
    settle(10)
    with Measuring(there, "Millrace", past.records, pids) as taken:
        _begin(runs)
        calls = _Calls(runs)
        looks = _Trace(there, runs, pids) if trace else None
        sizes = list(_until_done(runs, pids, calls, max(PATIENCE, past.records / SLOWEST), looks))
    print(calls.line(), flush=True)
    third = max(1, len(sizes) // 3)
    print(
        f"largest worker process {max(sizes):.0f} MB, after a third of the time {max(sizes[:third]):.0f} MB "
        f"at most; in the end {sizes[-1]:.0f} MB",
        flush=True,
    )
    for name in (*(walker.name for walker in stripe_workers(there.environment)), "worker"):
        if errors := there.supervisor.log_end(name, 100_000).count('"error"'):
            print(f"{errors} errors in the log of the {name}")
        there.supervisor.stop(name)
    assert taken.result  # noqa: S101  the block has ended
    return taken.result


class _Trace:
    """Now and then a line: how far it is, and what that stretch cost."""

    def __init__(self, there: Stage, runs: list[SyncRun], pids: list[int]) -> None:
        self._there, self._runs, self._pids = there, [run.pk for run in runs], pids
        self._began = self._at = time.monotonic()
        self._before = self._counted()

    def look(self, largest: float) -> None:
        from connections.models import Underived

        now = time.monotonic()
        if now < self._at + TRACED:
            return
        after = self._counted()
        read, cpu, postgres = (b - a for a, b in zip(self._before, after, strict=True))
        print(
            f"{now - self._began:6.0f} s  {after[0]:9,.0f} records, {Underived.objects.count():9,} left to derive; "
            f"{read / (now - self._at):6,.0f}/s, CPU {(cpu + postgres) / (now - self._at):.2f} cores "
            f"(PostgreSQL {postgres / (now - self._at):.2f}); {largest:.0f} MB",
            flush=True,
        )
        self._at, self._before = now, after

    def _counted(self) -> tuple[float, float, float]:
        """Records read, and CPU seconds of the application and of PostgreSQL."""
        from connections.models import SyncRun

        read = sum(SyncRun.objects.filter(pk__in=self._runs).values_list("seen", flat=True))
        return read, machine.use_of(self._pids).cpu, machine.use_of([self._there.postgres]).cpu


class _Calls:
    """Requests to Stripe while windows were walked, and how long that took."""

    def __init__(self, runs: list[SyncRun]) -> None:
        self._runs = [run.pk for run in runs]
        self._before, self._began = self._counted(), time.monotonic()
        self._seconds = 0.0

    def look(self) -> None:
        from connections.models import SyncRun

        if SyncRun.objects.filter(pk__in=self._runs, state__in=SyncRun.OPEN).exists():
            self._seconds = time.monotonic() - self._began

    def line(self) -> str:
        calls, seconds = self._counted() - self._before, max(0.1, self._seconds)
        return f"{calls} requests in {seconds:.1f} s of walking, {calls / seconds:.2f}/s"

    def _counted(self) -> int:
        from connections.models import ConnectionStatus

        return sum(ConnectionStatus.objects.values_list("calls", flat=True))


def _until_done(
    runs: list[SyncRun], pids: list[int], calls: _Calls, patience: float, trace: _Trace | None
) -> Iterator[float]:
    """Until the runs are closed and all that follows from them is derived. The largest process each second, in MB."""
    from connections.models import SyncRun, Underived

    ends = time.monotonic() + patience
    ids = [run.pk for run in runs]
    while SyncRun.objects.filter(pk__in=ids, state__in=SyncRun.OPEN).exists() or Underived.objects.exists():
        if time.monotonic() > ends:
            sys.exit("The history was not walked in time.")
        calls.look()
        largest = machine.use_of(pids).largest
        if trace:
            trace.look(largest)
        yield largest
        time.sleep(1)


def _in_this_process(there: Stage, past: Past, runs: list[SyncRun], profile: Path) -> Measured:
    """One walker, under the profiler: where the time goes, not how long it takes."""
    import cProfile

    from django.conf import settings

    from connections import historical, underived_pages
    from connections.models import SyncRun

    settings.STRIPE_API_BASE = there.environment["STRIPE_API_BASE"]
    with Measuring(there, "Millrace, profiled", past.records, [os.getpid()]) as taken:
        _begin(runs)
        watched = cProfile.Profile()
        watched.enable()
        while SyncRun.objects.filter(pk__in=[run.pk for run in runs], state__in=SyncRun.OPEN).exists():
            historical.drain()
        underived_pages.drain(PATIENCE)
        watched.disable()
    watched.dump_stats(profile)
    assert taken.result  # noqa: S101  the block has ended
    return taken.result


def _begin(runs: list[SyncRun]) -> None:
    from connections import historical

    for run in runs:
        historical.resume(run)
