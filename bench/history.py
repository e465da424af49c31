"""bin/bench history: what importing an account's past costs, from Stripe's lists to contacts, orders and log."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson
import psycopg

from bench import lists, machine
from bench.stage import Stage, connect_shop, settle, stage
from local.processes import Program
from local.product import free_port, python, stripe_worker, wait_until_ready
from sandbox.stripe import SandboxAccount

if TYPE_CHECKING:
    from connections.models import SyncRun

KINDS = ("customer", "subscription", "invoice", "charge")
TEMPLATES = 16
DAY = 86400
PATIENCE = 1200.0
WINDOWS, AT_ONCE, PAGE = 32, 8, 100


@dataclass(frozen=True)
class Past:
    """The account's life, in Unix seconds, and how many rows its lists have."""

    people: int
    begin: int
    end: int
    paths: dict[str, str]

    @property
    def records(self) -> int:
        return self.people * 6


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


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench history", description=__doc__)
    parser.add_argument("--people", type=int, default=5000, help="customers; each has 6 objects in the four lists")
    parser.add_argument("--latency", type=float, default=100, help="of an answer of the API, in milliseconds")
    parser.add_argument("--profile", type=Path, help="walk in this process instead of a worker's, and write a profile")
    chosen = parser.parse_args(arguments)
    with stage() as there:
        past = _past(there, chosen.people)
        port = _list_server(there, past, chosen.latency)
        print(f"{os.cpu_count()} cores; {past.records:,} records; answers after {chosen.latency:.0f} ms", flush=True)
        ours = _ours(there, past, port, chosen.profile)
        fetched = _bare(there, past, port, "floor: bare fetch", lambda rows, stock: None)
        stored = _bare(there, past, port, "floor: fetch and one upsert a page", _upsert)
        print(
            f"\nrate: {ours.rate / fetched.rate:.2f} of the fetch, {ours.rate / stored.rate:.2f} of fetch and upsert; "
            f"CPU: {ours.cpu / fetched.cpu:.1f} times the fetch, {ours.cpu / stored.cpu:.1f} times fetch and upsert"
        )


def _ours(there: Stage, past: Past, port: int, profile: Path | None) -> Measured:
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
    measured = _in_this_process(there, past, runs, profile) if profile else _by_worker(there, past, runs)
    print(measured.line(), flush=True)
    _check(past)
    return measured


def _by_worker(there: Stage, past: Past, runs: list[SyncRun]) -> Measured:
    from connections import underived_pages

    worker = there.start(stripe_worker(there.environment))
    # Until it has started and has once looked for windows, which costs nothing a record.
    for _ in range(6):
        _ring()
        settle(1)
    with _Measuring(there, "Millrace", past.records, [worker, os.getpid()]) as taken:
        _begin(runs)
        sizes = list(_until_done(runs, worker))
        underived_pages.drain(PATIENCE)
    third = max(1, len(sizes) // 3)
    print(
        f"largest worker process {max(sizes):.0f} MB, after a third of the time {max(sizes[:third]):.0f} MB "
        f"at most; in the end {sizes[-1]:.0f} MB",
        flush=True,
    )
    if errors := there.supervisor.log_end("stripe worker", 100_000).count('"error"'):
        print(f"{errors} errors in the worker's log")
    there.supervisor.stop("stripe worker")
    assert taken.result  # noqa: S101  the block has ended
    return taken.result


def _until_done(runs: list[SyncRun], worker: int) -> Iterator[float]:
    """Rings as the timetable does until the runs are closed. The size of the worker's largest process each second."""
    from connections.models import SyncRun

    ends = time.monotonic() + PATIENCE
    next_ring = 0.0
    while SyncRun.objects.filter(pk__in=[run.pk for run in runs], state__in=SyncRun.OPEN).exists():
        now = time.monotonic()
        if now > ends:
            sys.exit("The history was not walked in time.")
        if now >= next_ring:
            next_ring = now + 1
            _ring()
            yield machine.use_of([worker]).largest
        time.sleep(0.05)


def _in_this_process(there: Stage, past: Past, runs: list[SyncRun], profile: Path) -> Measured:
    """One walker, under the profiler: where the time goes, not how long it takes."""
    import cProfile

    from django.conf import settings

    from connections import historical, underived_pages
    from connections.models import SyncRun

    settings.STRIPE_API_BASE = there.environment["STRIPE_API_BASE"]
    with _Measuring(there, "Millrace, profiled", past.records, [os.getpid()]) as taken:
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


class _Measuring:
    """Time and CPU of a block. `pids`: the processes that count as the application; this one only if named."""

    def __init__(self, there: Stage, name: str, records: int, pids: list[int]) -> None:
        self._there, self._name, self._records, self._pids = there, name, records, pids
        self.result: Measured | None = None

    def __enter__(self) -> _Measuring:
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


def _bare(
    there: Stage, past: Past, port: int, name: str, keep: Callable[[list[dict[str, object]], psycopg.Cursor], None]
) -> Measured:
    """The same lists in as many windows, as many at once, by http.client and orjson alone."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(_CREATE)
    waiting: queue.SimpleQueue[tuple[str, int, int]] = queue.SimpleQueue()
    step = (past.end + 1 - past.begin) / WINDOWS
    for path in past.paths.values():
        for place in range(WINDOWS):
            waiting.put((path, int(past.begin + place * step), int(past.begin + (place + 1) * step)))
    counts: list[int] = []

    def walk() -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            stock = psycopg.Cursor(connection)
            api = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            while True:
                try:
                    path, begin, end = waiting.get_nowait()
                except queue.Empty:
                    return
                for rows in _pages(api, path, begin, end):
                    keep(rows, stock)
                    counts.append(len(rows))

    with _Measuring(there, name, past.records, [os.getpid()]) as taken:
        walkers = [threading.Thread(target=walk) for _ in range(AT_ONCE)]
        for walker in walkers:
            walker.start()
        for walker in walkers:
            walker.join()
    if sum(counts) != past.records:
        sys.exit(f"{name}: {sum(counts):,} records instead of {past.records:,}")
    assert taken.result  # noqa: S101  the block has ended
    print(taken.result.line(), flush=True)
    return taken.result


def _pages(api: http.client.HTTPConnection, path: str, begin: int, end: int) -> Iterator[list[dict[str, object]]]:
    asked: dict[str, object] = {"limit": PAGE, "created[gte]": begin, "created[lt]": end}
    while True:
        api.request("GET", f"{path}?{urlencode(asked)}")
        answer = api.getresponse()
        # A client must look at the clock in any case.
        parsedate_to_datetime(answer.headers["Date"])
        page = orjson.loads(answer.read())
        yield page["data"]
        if not page["has_more"]:
            return
        asked["starting_after"] = page["data"][-1]["id"]


_CREATE = "create table if not exists bench_history (id text primary key, body jsonb); truncate bench_history"
_UPSERT = """
    insert into bench_history select id, body::jsonb from unnest(%b::text[], %b::text[]) as v(id, body) order by id
    on conflict (id) do update set body = excluded.body
"""


def _upsert(rows: list[dict[str, object]], stock: psycopg.Cursor) -> None:
    if rows:
        stock.execute(_UPSERT, [[row["id"] for row in rows], [orjson.dumps(row).decode() for row in rows]])


def _begin(runs: list[SyncRun]) -> None:
    from connections import historical

    for run in runs:
        historical.resume(run)


def _ring() -> None:
    from config.celery import STRIPE, app

    app.send_task("connections.tasks.drain_history", queue=STRIPE, expires=5)


def _past(there: Stage, people: int) -> Past:
    """A few customers as the sandbox lists them, written down for the list server to multiply."""
    from connections.sources.stripe.client import Client
    from connections.sources.stripe.listing import LISTINGS

    account = there.account
    _play(account)
    client = Client(account.key)
    paths = {kind: LISTINGS[kind].path for kind in KINDS}
    told: dict[str, list[list[str]]] = {}
    for kind, path in paths.items():
        rows = client.get(path, limit=PAGE, **LISTINGS[kind].asking()).data["data"]
        each: dict[str, list[str]] = {}
        for row in rows:
            customer = row["id"] if kind == "customer" else row["customer"]["id"]
            each.setdefault(customer, []).append(lists.pattern(row))
        # The same person stands at the same place in each list.
        told[path] = [each[customer] for customer in sorted(each)]
    others = {f"/v1/products/{product['id']}": json.dumps(product) for product in account.objects("product")}
    (there.folder / "lists.json").write_text(json.dumps({"lists": told, "others": others}))
    end = int(time.time()) - 3600
    return Past(people, end - int(timedelta(days=700).total_seconds()), end, paths)


def _play(account: SandboxAccount) -> None:
    began = int(time.time()) - 29 * DAY
    for number in range(TEMPLATES):
        subscription = account.play("subscribe", amount=900 + 100 * number, product="Studio plan", at=began)
        account.play("renew", subscription=subscription["id"], at=int(time.time()) - DAY)
    account.sandbox.discard()


def _list_server(there: Stage, past: Past, latency: float) -> int:
    port = free_port(8700)
    command = python("-m", "bench.lists", "--templates", str(there.folder / "lists.json"), "--port", str(port))
    command += ["--people", str(past.people), "--begin", str(past.begin), "--end", str(past.end)]
    there.start(Program("lists", [*command, "--latency", str(latency)]))
    wait_until_ready(there.supervisor, "lists", port, "/v1/customers?limit=1")
    return port


def _check(past: Past) -> None:
    """Nothing lost, nothing doubled: else the figures mean nothing."""
    from connections.models import SyncLogEntry, SyncRun
    from contacts.models import Contact
    from orders.models import Order
    from recurring_payments.models import RecurringPayment

    found = {
        "contacts": (Contact.objects.count(), past.people),
        "recurring payments": (RecurringPayment.objects.count(), past.people),
        "orders": (Order.objects.exclude(contact=None).count(), 2 * past.people),
        "log": (SyncLogEntry.objects.count(), past.records),
        "listed": (sum(SyncRun.objects.values_list("listed", flat=True)), past.records),
    }
    states = sorted(SyncRun.objects.values_list("state", "failed", "message"))
    if any(count != wanted for count, wanted in found.values()) or any(state[:2] != ("done", 0) for state in states):
        sys.exit(f"Counts (found, expected): {found}; runs {states}")
    print(f"checked: {past.people:,} contacts and recurring payments, {2 * past.people:,} orders, every run done")
