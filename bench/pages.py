"""bin/bench pages: what the pages cost that staff and marketers look at all day, in a database of some years."""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import machine, shop
from bench.stage import Stage, connect_shop, event_types, settle, stage

if TYPE_CHECKING:
    from django.test import Client

ADDRESS = "ada@crowd.example"


@dataclass(frozen=True)
class Measured:
    """Milliseconds a page; CPU of the web and of PostgreSQL. `queries`: statements a page, sign-in included."""

    name: str
    p50: float
    p99: float
    application: float
    postgres: float
    size: int
    queries: int

    @property
    def cpu(self) -> float:
        return self.application + self.postgres

    def line(self, empty: Measured | None = None) -> str:
        ratio = f"  {self.cpu / empty.cpu:5.1f} times the empty view" if empty else ""
        return (
            f"{self.name:36} p50 {self.p50:6.1f} ms  p99 {self.p99:6.1f} ms  {self.cpu:6.1f} CPU ms a page "
            f"(application {self.application:5.1f}, PostgreSQL {self.postgres:5.1f})  {self.queries:3} queries  "
            f"{self.size / 1024:5.0f} KB{ratio}"
        )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench pages", description=__doc__)
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--recurring-payments", type=int, default=75_000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--log", type=int, default=100_000)
    parser.add_argument("--looks", type=int, default=100, help="how often each page is asked for")
    chosen = parser.parse_args(arguments)
    with stage() as there:
        contact = _fill(there, chosen)
        client = _signed_in()
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        pages = {
            "Contacts": "/contacts/",
            "Contacts, searched": "/contacts/?q=hopper+77",
            "Contact, 50 payments, 500 orders": f"/contacts/{contact}/",
            "Recurring payments": "/recurring-payments/",
            "Recurring payments, payment failed": "/recurring-payments/?status=payment_failed",
            "Orders": "/orders/",
            "Orders, paid": "/orders/?status=paid",
            "Stripe, the app's page": "/apps/stripe/",
            "Log": "/apps/stripe/log/",
            "Log, skipped only": "/apps/stripe/log/?result=skipped",
        }
        empty_pid, empty_port = there.serve("empty", "bench.empty_page:application", 1, 8)
        empty = _measure(
            there, "Empty view, same middleware", empty_pid, empty_port, "/empty/", cookie, chosen.looks, 2
        )
        print(empty.line(), flush=True)
        there.supervisor.stop("empty")
        # Without workers /health/ says, rightly, that work waits.
        web, port = there.serve("web", "config.wsgi:application", 1, 8, ready="/sign-in/")
        for name, path in pages.items():
            queries = _queries(client, path)
            print(_measure(there, name, web, port, path, cookie, chosen.looks, queries).line(empty), flush=True)


def _fill(there: Stage, chosen: argparse.Namespace) -> int:
    from django.db import transaction

    from bench import crowd
    from common.origin import Origin
    from connections import fetching, inbox, stored_events
    from connections.sources.stripe import translate

    connection = connect_shop(there)
    patterns = shop.templates(there.account, event_types())
    with transaction.atomic():
        for one in shop.deliveries(patterns, len(patterns), doubled=0):
            stored_events.store(connection, translate.envelope(translate.parse(one.body)), one.body, Origin.WEBHOOK)
    for _ in range(2):
        inbox.drain(60)
        fetching.drain(60)
    inbox.drain(60)
    started = time.perf_counter()
    contact = crowd.fill(chosen.contacts, chosen.recurring_payments, chosen.orders, chosen.log)
    print(
        f"{os.cpu_count()} cores; {chosen.contacts:,} contacts, {chosen.recurring_payments:,} recurring payments, "
        f"{chosen.orders:,} orders, {2 * chosen.orders:,} activities, {chosen.log:,} rows of the log and of the inbox; "
        f"made in {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    return contact


def _signed_in() -> Client:
    """An admin, who may see every page."""
    from django.test import Client

    from users.models import Role, User

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.create_user(ADDRESS, role=Role.ADMIN, name="Ada Admin"))
    return client


def _queries(client: Client, path: str) -> int:
    """Statements of the page, asked for in this process."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        client.get(path)
    return len(asked)


def _measure(
    there: Stage, name: str, pid: int, port: int, path: str, cookie: str, looks: int, queries: int
) -> Measured:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(10):
        # Templates are compiled, statements prepared, the pages of the tables read.
        size = _look(wire, name, path, cookie)
    settle()
    web, postgres = machine.use_of([pid]).cpu, machine.use_of([there.postgres]).cpu
    seconds = []
    for _ in range(looks):
        began = time.perf_counter()
        _look(wire, name, path, cookie)
        seconds.append(time.perf_counter() - began)
    web, postgres = machine.use_of([pid]).cpu - web, machine.use_of([there.postgres]).cpu - postgres
    wire.close()
    seconds.sort()
    return Measured(
        name,
        seconds[looks // 2] * 1000,
        seconds[min(looks - 1, int(0.99 * looks))] * 1000,
        web * 1000 / looks,
        postgres * 1000 / looks,
        size,
        queries,
    )


def _look(wire: http.client.HTTPConnection, name: str, path: str, cookie: str) -> int:
    """Bytes of the page."""
    wire.request("GET", path, headers={"Cookie": cookie})
    answer = wire.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        sys.exit(f"{name}: {path} answers {answer.status}")
    return len(body)
