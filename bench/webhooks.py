"""bin/bench webhooks: what an event costs from Stripe's POST to contact, order, recurring payment and log."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from bench import beside, doors, load, machine, shop
from bench.load import Answers
from bench.shop import Delivery
from bench.stage import Stage, connect_shop, event_types, stage

PATIENCE = 600.0
WARMING = 20


@dataclass(frozen=True)
class Measured:
    """`worked_s`: from the first delivery until nothing was due. CPU in ms an event, without the generator."""

    name: str
    events: int
    answers: Answers
    worked_s: float
    web: float
    worker: float
    postgres: float
    others: float

    @property
    def cpu(self) -> float:
        return self.web + self.worker + self.postgres

    def line(self) -> str:
        return (
            f"{self.name:34} {self.answers.rate:7,.0f}/s answered  p50 {self.answers.percentile(0.5):6.1f} ms  "
            f"p99 {self.answers.percentile(0.99):6.1f} ms  {self.events / self.worked_s:7,.0f}/s worked  "
            f"{self.cpu:5.2f} CPU ms an event "
            f"(web {self.web:.2f}, worker {self.worker:.2f}, PostgreSQL {self.postgres:.2f}); "
            f"ceiling of 2 free cores {2000 / max(self.cpu, 0.001):,.0f}/s; others used {self.others:.1f} cores"
        )

    def compared_with(self, peer: Measured) -> str:
        answered = self.answers.rate / peer.answers.rate
        slowest = self.answers.percentile(0.99) / peer.answers.percentile(0.99)
        return (
            f"ours to {peer.name}: {answered:.2f} of the answers a second, {slowest:.2f} of the p99, "
            f"{peer.worked_s / self.worked_s:.2f} of the events worked a second, {self.cpu / peer.cpu:.2f} of the CPU"
        )


@dataclass(frozen=True)
class Door:
    """What is posted to. Without a worker process, `finish` does the work itself, in this one."""

    name: str
    program: str
    web: int
    port: int
    path: str = "/"
    worker: int | None = None
    finish: Callable[[int], None] = lambda count: None


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench webhooks", description=__doc__)
    parser.add_argument("--people", type=int, default=1000, help="customers; each has 20 events")
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0, help="deliveries a second; 0 is as fast as they are taken")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--web", type=int, default=2, help="web processes")
    parser.add_argument("--threads", type=int, default=16, help="threads a web process")
    parser.add_argument("--workers", type=int, default=2, help="processes of the inbox worker")
    beside.add_option(parser)
    chosen = parser.parse_args(arguments)
    with stage() as there:
        connection = connect_shop(there)
        patterns = shop.templates(there.account, event_types())
        secret = str(connection.open("webhook_secret").open())  # type: ignore[union-attr]
        print(
            f"{os.cpu_count()} cores; {chosen.people} customers a round; {chosen.at_once} deliveries at once",
            flush=True,
        )
        ours = _ours(there, chosen, patterns, secret, connection.hook_token)
        peer = _peer(there, chosen, patterns, secret) if chosen.beside else None
        floor = _floor(there, chosen, patterns, secret)
        empty = _empty(there, chosen, patterns, secret)
        print(
            f"\nours to the floor {ours.cpu / floor.cpu:.2f}; "
            f"ours to a Django view that stores nothing {ours.cpu / empty.cpu:.2f}"
        )
        if peer:
            print(ours.compared_with(peer))


def _ours(there: Stage, chosen: argparse.Namespace, patterns: list[list[str]], secret: str, token: str) -> Measured:
    web, port = there.serve("web", "config.wsgi:application", chosen.web, chosen.threads)
    worker = there.start_workers(chosen.workers)
    door = Door("Millrace", "web", web, port, f"/hooks/stripe/{token}/", worker, _drain)
    _warm_up(door, patterns, secret)
    there.sandbox.clear_requests()
    best = _rounds(there, chosen, patterns, secret, door, os.environ["DATABASE_URL"])
    memory = machine.use_of([worker])
    calls = len(there.sandbox.requests("/v1/"))
    print(
        f"{calls * 1000 / (chosen.rounds * best.events):.1f} calls to Stripe per 1,000 events; "
        f"largest worker process {memory.largest:.0f} MB"
    )
    _check(chosen.rounds * chosen.people + WARMING)
    there.supervisor.stop("web", "worker")
    return best


def _peer(there: Stage, chosen: argparse.Namespace, patterns: list[list[str]], secret: str) -> Measured:
    """It works each event before it answers."""
    web, port = beside.serve(there, chosen.beside, "--secret", secret, "--processes", str(chosen.web))
    door = Door(beside.name(chosen.beside), "peer", web, port)
    _warm_up(door, patterns, secret)
    best = _rounds(there, chosen, patterns, secret, door, beside.address())
    beside.check(chosen.rounds * chosen.people + WARMING)
    there.supervisor.stop("peer")
    return best


def _floor(there: Stage, chosen: argparse.Namespace, patterns: list[list[str]], secret: str) -> Measured:
    """A door without a framework and a worker that writes one row an event."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(doors.CREATE)
    there.environment["BENCH_SECRET"] = secret
    web, port = there.serve("door", "bench.doors:insert_door", chosen.web, chosen.threads)

    def process(count: int) -> None:
        done = 0
        while done < count:
            done += doors.process()

    door = Door("floor: bare INSERT, one upsert", "door", web, port, finish=process)
    measured = _measure(there, chosen, secret, door, shop.deliveries(patterns, chosen.people, first=500_000))
    there.supervisor.stop("door")
    return measured


def _empty(there: Stage, chosen: argparse.Namespace, patterns: list[list[str]], secret: str) -> Measured:
    web, port = there.serve("empty", "bench.empty:application", chosen.web, chosen.threads)
    door = Door("Django view, stores nothing", "empty", web, port)
    measured = _measure(there, chosen, secret, door, shop.deliveries(patterns, chosen.people, first=700_000))
    there.supervisor.stop("empty")
    return measured


def _warm_up(door: Door, patterns: list[list[str]], secret: str) -> None:
    """What is met for the first time (products, the worker's start) is not what an event costs."""
    load.post(door.port, door.path, shop.deliveries(patterns, WARMING, first=900_000), secret, at_once=8)
    door.finish(0)


def _rounds(
    there: Stage, chosen: argparse.Namespace, patterns: list[list[str]], secret: str, door: Door, database: str
) -> Measured:
    """The round with the least CPU."""
    taken = []
    for number in range(chosen.rounds):
        deliveries = shop.deliveries(patterns, chosen.people, first=number * chosen.people)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("analyze")
        taken.append(_measure(there, chosen, secret, door, deliveries))
    return min(taken, key=lambda one: one.cpu)


def _measure(there: Stage, chosen: argparse.Namespace, secret: str, door: Door, deliveries: list[Delivery]) -> Measured:
    distinct = len({one.id for one in deliveries})
    pids = [[door.web], [door.worker] if door.worker else [], [there.postgres]]
    before, busy, mine = [machine.use_of(some).cpu for some in pids], machine.machine_cpu(), time.process_time()
    started = time.perf_counter()
    answers = load.post(door.port, door.path, deliveries, secret, at_once=chosen.at_once, per_second=chosen.rate)
    generated = time.process_time() - mine
    if set(answers.statuses) != {200}:
        sys.exit(f"{door.name}: answers {dict(answers.statuses)}\n{there.supervisor.log_end(door.program)}")
    door.finish(distinct)
    worked = time.perf_counter() - started
    finished = time.process_time() - mine - generated
    used = [machine.use_of(some).cpu - then for some, then in zip(pids, before, strict=True)]
    others = (machine.machine_cpu() - busy - sum(used) - generated - finished) / worked
    web_ms, worker_ms, postgres_ms = (
        cpu * 1000 / distinct for cpu in (used[0], used[1] if door.worker else finished, used[2])
    )
    measured = Measured(door.name, distinct, answers, worked, web_ms, worker_ms, postgres_ms, max(0.0, others))
    print(measured.line(), flush=True)
    return measured


def _drain(count: int) -> None:
    """Until nothing is due. Asks rarely: asking costs, too."""
    from common.due import State
    from connections.models import InboundEvent

    ends = time.monotonic() + PATIENCE
    states = (State.DUE, State.RUNNING, State.WAITING)
    while any(InboundEvent.objects.filter(state=state).exists() for state in states):
        if time.monotonic() > ends:
            sys.exit("The inbox was not drained in time.")
        time.sleep(0.5)


def _check(people: int) -> None:
    """Nothing lost, nothing doubled: else the figures mean nothing."""
    from connections.models import InboundEvent
    from contacts.models import Contact
    from orders.models import Order
    from recurring_payments.models import RecurringPayment

    found = {
        "contacts": Contact.objects.count(),
        "recurring payments": RecurringPayment.objects.count(),
        "orders": Order.objects.count() // 2,
    }
    wrong = {name: count for name, count in found.items() if count != people}
    aside = InboundEvent.objects.exclude(state__in=["done", "ignored"]).count()
    if wrong or aside:
        sys.exit(f"Expected {people} of each, found {found}; {aside} events not done.")
    print(f"checked: {people} contacts and recurring payments, {2 * people} orders, every event done")
