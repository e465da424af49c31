"""An account's life for the benchmark of its history: played in the sandbox, multiplied by the list server, checked."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench import lists
from bench.stage import Stage
from local.processes import Program
from local.product import free_port, python, wait_until_ready
from sandbox.stripe import SandboxAccount

KINDS = ("customer", "subscription", "invoice", "charge")
TEMPLATES = 16
DAY = 86400
PAGE = 100


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


def lived(there: Stage, people: int) -> Past:
    """A few customers as the sandbox lists them, with and without expansions, for the list server to multiply."""
    from connections.sources.stripe.client import Client
    from connections.sources.stripe.listing import LISTINGS

    account = there.account
    _play(account)
    client = Client(account.key)
    others = {f"/v1/products/{product['id']}": json.dumps(product) for product in account.objects("product")}
    paths = {kind: LISTINGS[kind].path for kind in KINDS}
    for name, asked in (
        ("lists", {kind: LISTINGS[kind].asking() for kind in KINDS}),
        ("plain", {kind: LISTINGS[kind].filters for kind in KINDS}),
    ):
        pages = {paths[kind]: client.get(paths[kind], limit=PAGE, **asked[kind]).data["data"] for kind in KINDS}
        (there.folder / f"{name}.json").write_text(json.dumps({"lists": _patterns(pages), "others": others}))
    end = int(time.time()) - 3600
    return Past(people, end - int(timedelta(days=700).total_seconds()), end, paths)


def _patterns(pages: dict[str, list[dict[str, Any]]]) -> dict[str, list[list[str]]]:
    """By path, of each person in turn, the templates of what is listed there."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    times: dict[str, int] = {}
    for path, rows in pages.items():
        each: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            customer = row.get("customer", row)
            mine = each.setdefault(customer if isinstance(customer, str) else customer["id"], [])
            times[row["id"]] = lists.left_open(len(found), len(mine))
            mine.append(row)
        # The same person stands at the same place in each list.
        found[path] = [each[customer] for customer in sorted(each)]
    return {path: [[lists.pattern(row, times) for row in mine] for mine in people] for path, people in found.items()}


def _play(account: SandboxAccount) -> None:
    began = int(time.time()) - 29 * DAY
    for number in range(TEMPLATES):
        subscription = account.play("subscribe", amount=900 + 100 * number, product="Studio plan", at=began)
        account.play("renew", subscription=subscription["id"], at=int(time.time()) - DAY)
    account.sandbox.discard()


def serve_lists(there: Stage, past: Past, latency: float, rows: str = "lists") -> int:
    """Its port. `rows`: lists as the product asks for them, or plain ones without what it has expanded."""
    port = free_port(8700)
    command = python("-m", "bench.lists", "--templates", str(there.folder / f"{rows}.json"), "--port", str(port))
    command += ["--people", str(past.people), "--begin", str(past.begin), "--end", str(past.end)]
    there.start(Program("lists", [*command, "--latency", str(latency)]))
    wait_until_ready(there.supervisor, "lists", port, "/v1/customers?limit=1")
    return port


def check(past: Past) -> None:
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
