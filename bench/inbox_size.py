"""bin/bench inbox_size: what an event costs with a small and with a large inbox, in turns in the same run."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import machine, shop
from bench.shop import Delivery
from bench.stage import Stage, connect_shop, event_types, stage

if TYPE_CHECKING:
    from connections.models import Connection

SMALL, LARGE = "bench_small", "bench_large"


@dataclass(frozen=True)
class Cost:
    """CPU ms an event: storing and working it, of this process and of PostgreSQL with its autovacuum."""

    application: float
    postgres: float

    @property
    def cpu(self) -> float:
        return self.application + self.postgres


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench inbox_size", description=__doc__)
    parser.add_argument("--small", type=int, default=10_000, help="rows that are done")
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--with-body", type=float, default=0.1, help="share of them that keeps its body")
    parser.add_argument("--people", type=int, default=200, help="customers a round; each has 20 events")
    parser.add_argument("--rounds", type=int, default=4)
    chosen = parser.parse_args(arguments)
    with stage() as there:
        connection = connect_shop(there)
        patterns = shop.templates(there.account, event_types())
        _work(connection, shop.deliveries(patterns, len(patterns), first=900_000))
        _make(there, chosen)
        found: dict[str, list[Cost]] = {SMALL: [], LARGE: []}
        print(f"{os.cpu_count()} cores; {chosen.people} customers a round; {chosen.large:,} rows to {chosen.small:,}")
        for number in range(chosen.rounds):
            deliveries = shop.deliveries(patterns, chosen.people, first=number * chosen.people)
            # Who is first changes, as a machine grows warm.
            for name in (SMALL, LARGE) if number % 2 else (LARGE, SMALL):
                found[name].append(_measure(there, connection, name, deliveries))
            _print(number, found[SMALL][-1], found[LARGE][-1])
        # The first round plans its statements and reads its pages.
        small, large = (statistics.median(cost.cpu for cost in found[name][1:]) for name in (SMALL, LARGE))
        print(
            f"\nmedian without the first round: {large:.3f} to {small:.3f} CPU ms an event, {large / small:.3f} times"
        )


def _make(there: Stage, chosen: argparse.Namespace) -> None:
    """Two databases that differ in the size of the inbox alone."""
    from bench import crowd

    for name, count in ((SMALL, chosen.small), (LARGE, chosen.large)):
        _switch("postgres")
        _switch("template1")
        _run(f"create database {name} template postgres")
        _switch(name)
        started = time.perf_counter()
        crowd.inbox(count, chosen.with_body)
        crowd.settle()
        print(f"{count:,} rows made in {time.perf_counter() - started:.0f} s", flush=True)


def _measure(there: Stage, connection: Connection, name: str, deliveries: list[Delivery]) -> Cost:
    _switch(name)
    _run("analyze")
    # What earlier rounds left to write is not to be paid for in this one.
    _run("checkpoint")
    events = len({one.id for one in deliveries})
    mine, postgres = time.process_time(), machine.use_of([there.postgres]).cpu
    _work(connection, deliveries)
    application = time.process_time() - mine
    # Its server counts only what sessions that ended have used once they are reaped: this one lives on.
    stored = machine.use_of([there.postgres]).cpu - postgres
    _check(name)
    return Cost(application * 1000 / events, stored * 1000 / events)


def _work(connection: Connection, deliveries: list[Delivery]) -> None:
    from connections import arrivals, fetching, inbox
    from connections.arrivals import Arrival
    from connections.sources.stripe import translate

    # As the door stores them when many come at once.
    for start in range(0, len(deliveries), 50):
        group = {one.id: one for one in deliveries[start : start + 50]}.values()
        arrivals._insert(
            [
                Arrival(connection.pk, connection.epoch, translate.envelope(translate.parse(one.body)), one.body)
                for one in group
            ]
        )
    inbox.drain(600)
    fetching.drain(60)
    inbox.drain(60)


def _check(name: str) -> None:
    from connections.models import InboundEvent

    if open_ := InboundEvent.objects.exclude(state__in=["done", "ignored"]).count():
        sys.exit(f"{name}: {open_} events were not worked.")


def _switch(name: str) -> None:
    """Go on with this database of the same server."""
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = name


def _run(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def _print(number: int, small: Cost, large: Cost) -> None:
    print(
        f"round {number + 1}: small {small.cpu:.3f} CPU ms an event (application {small.application:.3f}, "
        f"PostgreSQL {small.postgres:.3f}), large {large.cpu:.3f} ({large.application:.3f}, {large.postgres:.3f}), "
        f"{large.cpu / small.cpu:.3f} times",
        flush=True,
    )
