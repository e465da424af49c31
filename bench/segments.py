"""bin/bench segments: how long it takes to count who is in a segment, over contacts and recurring payments of years."""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import machine, shop
from bench.stage import Stage, connect_shop, event_types, stage

Asked = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """`wall`: median milliseconds; `cpu`: PostgreSQL's own, which a busy machine does not change."""

    contacts: int
    wall: float
    cpu: float

    def line(self) -> str:
        return f"{self.contacts:9,} contacts  {self.wall:6.0f} ms  {self.cpu:6.0f} CPU ms"


def _one(field: str, operator: str, value: Any = None) -> Asked:
    return {"field": field, "operator": operator, "value": value}


def _all(*items: Asked) -> Asked:
    return {"match": "all", "items": list(items)}


def _any(*items: Asked) -> Asked:
    return {"match": "any", "items": list(items)}


def _payment(quantifier: str, *conditions: Asked) -> Asked:
    return {"about": "recurring_payment", "quantifier": quantifier, "match": "all", "conditions": list(conditions)}


_FAILED = _one("recurring_payment.normalized_status", "is", "PAYMENT_FAILED")
_ACTIVE = _one("recurring_payment.normalized_status", "is", "ACTIVE")
_SOON = _one("recurring_payment.next_payment_date", "within_next", {"count": 3, "unit": "days"})
_BIG = _one("recurring_payment.payment_amount", "at_least", {"amount": "50.00", "currency": "EUR"})
_TAGGED = _one("contact.tag", "has", "vip")
_SPENT = _one("contact.paid_total", "at_least", {"amount": "150.00", "currency": "EUR"})
SEGMENTS: dict[str, Asked] = {
    "name contains": _all(_one("contact.last_name", "contains", "love")),
    "created in the last 30 days": _all(_one("contact.created_at", "within_last", {"count": 30, "unit": "days"})),
    "has a tag": _all(_TAGGED),
    "has not a tag": _all(_one("contact.tag", "has_not", "vip")),
    "custom number at least": _all(_one("contact.field:seats", "at_least", 40)),
    "custom date within": _all(_one("contact.field:renews", "within_next", {"count": 7, "unit": "days"})),
    "customer of Stripe": _all(_one("contact.customer", "is", "stripe")),
    "active, paying soon": _all(_payment("any", _ACTIVE, _SOON)),
    "no active recurring payment": _all(_payment("none", _ACTIVE)),
    "any status but active": _all(_one("recurring_payment.normalized_status", "is_not", "ACTIVE")),
    "address of the payment": _all(_one("recurring_payment.billing_city", "is", "Chicago")),
    "an item of the payment": _all(_one("recurring_payment.line_item_names", "includes", "pro")),
    "paid in all at least": _all(_SPENT),
    "fewer than two paid orders": _all(_one("contact.order_count", "less_than", 2)),
    "a tag or a failed payment": _any(_TAGGED, _FAILED),
    "three groups": _all(
        _any(_TAGGED, _one("contact.field:plan", "is", "Gold"), _FAILED),
        _any(_payment("any", _ACTIVE, _SOON, _BIG), _payment("none", _ACTIVE), _all(_SPENT, _TAGGED)),
        _any(_one("contact.email", "ends_with", "example"), _one("contact.phone", "is_empty")),
    ),
}

_TAGS = "insert into contacts_contacttag (contact_id, tag_id, added_at) select id, %s, now()"
_IDENTITIES = """insert into contacts_identity (contact_id, source, account, is_test, external_id, email, created_at)
    select id, 'stripe', 'acct_crowd', false, 'cus_crowd' || id, '', now()"""
_CUSTOM = """jsonb_build_object('plan', (array['Gold','Silver'])[1 + n % 2], 'seats', n % 50,
    'renews', (current_date + (n % 400))::text)"""
_DUE = "statement_timestamp() + (n::bigint * 7919 % 2592000) * interval '1 second'"
_CITY = "(array['Chicago','Valencia','Lyon','Osaka'])[1 + n % 4]"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench segments", description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--recurring-payments", type=int, default=300_000)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--looks", type=int, default=5, help="how often each is counted")
    parser.add_argument("--plans", type=Path, help="a folder for the plan of each")
    chosen = parser.parse_args(arguments)
    with stage() as there:
        _fill(there, chosen)
        print(f"{os.cpu_count()} cores; {chosen.contacts:,} contacts, {chosen.recurring_payments:,} recurring payments")
        floor = _measure(there, _live, chosen.looks)
        print(f"{'all contacts, the floor':30} {floor.line()}")
        for name, asked in SEGMENTS.items():
            found = _measure(there, partial(_count, asked), chosen.looks)
            print(f"{name:30} {found.line()}  {found.cpu / floor.cpu:5.1f} times the floor", flush=True)
            if chosen.plans:
                _write_plan(chosen.plans / f"{name.replace(' ', '_')}.txt", asked)


def _fill(there: Stage, chosen: argparse.Namespace) -> None:
    from bench import crowd
    from bench.inbox_size import _work

    connection = connect_shop(there)
    patterns = shop.templates(there.account, event_types())
    _work(connection, shop.deliveries(patterns, len(patterns), first=900_000))
    started = time.perf_counter()
    # Written at once and not changed afterwards: a changed row would leave its old one in the pages.
    payments = {"currency": "'EUR'", "billing_city": _CITY, "next_payment_date": _DUE}
    made = {"contact": {"custom": _CUSTOM}, "payment": payments, "order": {"currency": "'EUR'"}}
    _extras(crowd.customers(chosen.contacts, chosen.recurring_payments, chosen.orders, made))
    crowd.settle()
    print(f"made in {time.perf_counter() - started:.0f} s", flush=True)


def _extras(first: int) -> None:
    """The fields of the custom values, tags and identities."""
    from django.db import connection

    from contacts.models import CustomField, Tag

    for key, kind in (("plan", "choice"), ("seats", "number"), ("renews", "date")):
        CustomField.objects.create(key=key, label=key, type=kind, choices=["Gold", "Silver"])
    tags = [Tag.objects.create(name=name).pk for name in ("vip", "everybody")]
    theirs = " from contacts_contact where id >= %s"
    statements: list[tuple[str, list[int]]] = [
        (_TAGS + theirs + " and id %% 20 = 0", [tags[0], first]),
        (_TAGS + theirs, [tags[1], first]),
        (_IDENTITIES + theirs, [first]),
    ]
    with connection.cursor() as cursor:
        for statement, values in statements:
            cursor.execute(statement, values)


def _measure(there: Stage, count: Callable[[], int], looks: int) -> Measured:
    """The first look, which reads the pages, is left out."""
    found, took = count(), []
    before = machine.use_of([there.postgres]).cpu
    for _ in range(looks):
        started = time.perf_counter()
        count()
        took.append((time.perf_counter() - started) * 1000)
    cpu = (machine.use_of([there.postgres]).cpu - before) * 1000 / looks
    return Measured(found, statistics.median(took), max(cpu, 1.0))


def _count(asked: Asked) -> int:
    from segments.compiling import contacts_matching
    from segments.conditions import parse

    return contacts_matching(parse(asked)).count()


def _live() -> int:
    from contacts.models import Contact

    return Contact.objects.live().count()


def _write_plan(path: Path, asked: Asked) -> None:
    from segments.compiling import contacts_matching
    from segments.conditions import parse

    plan = contacts_matching(parse(asked)).values("pk").explain(analyze=True, buffers=True)
    path.write_text(plan)
