"""bin/bench plans: how PostgreSQL finds the rows of the lists of recurring payments and orders, for every filter in
every order, the page and the count of the paginator.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench import shop
from bench.stage import Stage, connect_shop, event_types, stage

if TYPE_CHECKING:
    from bench.explained import Plan

# At least one question for each filter: one that most rows answer and one that few do, where there is a difference.
_SHARED = (
    "",
    "source=stripe",
    "source=paypal",
    "account=acct_crowd",
    "account=acct_third",
    "mode=live",
    "mode=test",
    "currency=EUR",
    "currency=JPY",
    "currency=EUR&least=50&most=100",
    "currency=JPY&least=9900",
    "who=ana",
    "who=person17%40",
    "who=nobody",
    "product=plan+3",
    "product=Extra+seats",
    "product=nothing",
)
ASKED = {
    "recurring payments": (
        *_SHARED,
        "product=plan+37",
        "status=active",
        "status=trial",
        "status=pending",
        "status=past_due",
        "status=payment_failed",
        "status=paused",
        "status=cancelling",
        "status=cancelled",
        "status=expired",
        "interval=MONTHLY",
        "interval=DAILY",
        "next=overdue",
        "next=today",
        "next=7",
        "next=90",
        "next=none",
        "next_from=2026-12-01&next_to=2026-12-07",
        "status=active&next=7",
        "status=active&interval=YEARLY&currency=USD",
    ),
    "orders": (
        *_SHARED,
        "status=paid",
        "status=refunded",
        "status=disputed",
        "placed=1",
        "placed=30",
        "placed=365",
        "status=paid&placed=30",
        "status=refunded&currency=USD",
    ),
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench plans", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="recurring payments, and as many orders")
    parser.add_argument("--all", action="store_true", help="every order, and not the slowest alone")
    chosen = parser.parse_args(arguments)
    with stage() as there:
        contact = _fill(there, chosen.rows)
        print(f"{os.cpu_count()} cores; {chosen.rows:,} recurring payments, {chosen.rows:,} orders")
        report(contact, every_order=chosen.all)


def report(contact: int, *, every_order: bool = False) -> None:
    """A line for each filter: how rows are counted, and its slowest page."""
    for name, (listed, sorts) in lists().items():
        print(f"\n{name}: rows read, pages of 8 KB and milliseconds of the count, then of a page in its slowest order")
        for asked in (*ASKED[name], f"contact={contact}"):
            counted, pages = plans(listed, sorts, asked)
            slowest = sorted(pages, key=lambda sort: pages[sort].milliseconds, reverse=True)
            print(f"{asked or 'all':44} count     {_line(counted)}", flush=True)
            for sort in slowest if every_order else slowest[:1]:
                print(f"{'':44} {sort:9} {_line(pages[sort])}", flush=True)


def lists() -> dict[str, tuple[Callable[..., Any], Mapping[str, Any]]]:
    """For each of `ASKED`, what the view calls and the orders there are."""
    from orders import filters as of_orders
    from orders.views import browse as orders
    from recurring_payments import filters as of_payments
    from recurring_payments.views import browse as payments

    return {
        "recurring payments": (payments.listed, of_payments.SORTS),
        "orders": (orders.listed, of_orders.SORTS),
    }


def plans(listed: Callable[..., Any], sorts: Mapping[str, Any], asked: str) -> tuple[Plan, dict[str, Plan]]:
    """Of the count, and of the first page by its order."""
    from django.http import QueryDict

    from bench import explained

    rows = {sort: listed(QueryDict(f"{asked}&sort={sort}"))[2] for sort in sorts}
    return explained.count(next(iter(rows.values()))), {sort: explained.page(found) for sort, found in rows.items()}


def _line(plan: Plan) -> str:
    return f"{plan.rows:9,} {plan.pages:8,} {plan.milliseconds:8.1f} ms  {plan.how}"


def _fill(there: Stage, rows: int) -> int:
    """The contact that has the most."""
    from bench import crowd, mixture
    from bench.inbox_size import _work

    connection = connect_shop(there)
    patterns = shop.templates(there.account, event_types())
    _work(connection, shop.deliveries(patterns, len(patterns), first=900_000))
    started = time.perf_counter()
    contact = crowd.customers(rows // 2, rows, rows, mixture.MADE)
    crowd.settle()
    print(f"made in {time.perf_counter() - started:.0f} s", flush=True)
    return contact
