"""Many rows from a few: what the product made of a handful of customers, multiplied inside the database.

Each new row is a copy of a real one with its keys, times and persons changed, so it has the width and the shape that
the product gives it. `n` counts the new rows from 1 in every expression.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection
from django.db.models import Model

from connections.models import InboundEvent, SyncLogEntry
from contacts.models import Activity, Contact
from orders.models import Order, OrderItem, OrderReference
from recurring_payments.models import RecurringPayment, Status

_FIRST = ["Ada", "Grace", "Alan", "Barbara", "Edsger", "Frances", "Ken", "Radia", "Tony", "Hedy", "Niklaus", "Mary"]
_LAST = [
    "Lovelace",
    "Hopper",
    "Turing",
    "Liskov",
    "Dijkstra",
    "Allen",
    "Thompson",
    "Perlman",
    "Hoare",
    "Lamarr",
    "Wirth",
]
_STATUSES: list[str] = [*[Status.ACTIVE] * 7, *[Status.CANCELLED] * 2, Status.PAYMENT_FAILED]
_AGO = "statement_timestamp() - n * interval '{} seconds'"


def multiply(model: type[Model], count: int, **values: str) -> tuple[int, int]:
    """Add `count` copies of the rows there are; `values`: SQL by column. The first and the last new primary key."""
    table = model._meta.db_table
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{column}"' for column in columns)
    chosen = ", ".join(values.get(str(column), f'pattern."{column}"') for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"with pattern as materialized (select *, row_number() over (order by id) - 1 as place from {table}), "  # noqa: S608
            f"seeds as (select count(*) as number from pattern), added as (insert into {table} ({names}) "
            f"select {chosen} from generate_series(1, {count}) as n cross join seeds "
            "join pattern on pattern.place = n % seeds.number order by n returning id) "
            "select min(id), max(id) from added"
        )
        first, last = cursor.fetchone()
    return first, last


def fill(people: int, payments: int, orders: int, log: int) -> int:
    """So many of each beside those there are; one contact has 50 recurring payments and 500 orders more.

    Its primary key.
    """
    first = customers(people, payments, orders)
    multiply(
        SyncLogEntry,
        log,
        contact_id=f"{first} + n % {people}",
        contact_email="'person' || n || '@crowd.example'",
        event_id="'evt_crowd' || n",
        inbound_id="null",
        worked_at=_AGO.format(20),
        occurred_at=_AGO.format(21),
        result="(array['updated','created','unchanged','skipped'])[1 + n % 4]",
    )
    multiply(
        Activity,
        orders * 2,
        contact_id=f"case when n > {2 * orders - 1000} then {first} else {first} + n % {people} end",
        dedupe="'crowd:' || n",
        occurred_at=_AGO.format(30),
        dispatched_at="statement_timestamp()",
    )
    inbox(log, 0.1)
    settle()
    return first


def customers(people: int, payments: int, orders: int, also: Mapping[str, dict[str, str]] | None = None) -> int:
    """Contacts with their recurring payments and orders, as `fill` makes them. The first contact's primary key.

    `also`: other values, SQL by column, for each "contact", "payment", "order" and "item" of an order.
    """
    other = also or {}
    address = "'person' || n || '@crowd.example'"
    values = {
        "email": address,
        "email_key": address,
        "first_name": _one_of(_FIRST, 1),
        "last_name": f"{_one_of(_LAST, 7)} || ' ' || n",
        "created_at": _AGO.format(60),
        "updated_at": _AGO.format(61),
    }
    first, _ = multiply(Contact, people, **values | other.get("contact", {}))
    # The last fifty, and the last five hundred, are the first contact's.
    everybody = f"{first} + n % {people}"
    payer, buyer = (
        f"case when n > {shared} then {first} else {everybody} end" for shared in (payments - 50, orders - 500)
    )
    _recurring_payments(payments, payer, other.get("payment", {}))
    _orders(orders, buyer, other.get("order", {}), other.get("item", {}))
    return first


def inbox(count: int, with_body: float) -> None:
    """Events that are done. `with_body`: the share of the newest that keep theirs, as retention leaves it."""
    multiply(
        InboundEvent,
        count,
        event_id="'evt_crowd' || n",
        state="'done'",
        claim_no="1",
        claims="0",
        lease_until="null",
        body=f"case when n <= {int(count * with_body)} then pattern.body end",
        received_at=_AGO.format(3),
        next_attempt_at=_AGO.format(3),
        processed_at=_AGO.format(2),
        occurred_at=_AGO.format(4),
    )


def settle() -> None:
    """What autovacuum and the checkpointer would have done meanwhile, so that nothing of it is measured."""
    with connection.cursor() as cursor:
        cursor.execute("vacuum (analyze)")
        cursor.execute("checkpoint")


def _recurring_payments(count: int, of_whom: str, other: dict[str, str]) -> None:
    values = {
        "contact_id": of_whom,
        "store_recurring_payment_id": "'sub_crowd' || n",
        "email": "'person' || n || '@crowd.example'",
        "normalized_status": _one_of(_STATUSES, 1),
        "payment_amount": "500 + n % 9000",
        "start_date": _AGO.format(600),
        "next_payment_date": "statement_timestamp() + (n % 2592000) * interval '1 second'",
    }
    multiply(RecurringPayment, count, **values | other)


def _orders(count: int, of_whom: str, other: dict[str, str], item: dict[str, str]) -> None:
    values = {
        "contact_id": of_whom,
        "external_id": "'in_crowd' || n",
        "email": "'person' || n || '@crowd.example'",
        "number": "'CROWD-' || n",
        "total": "500 + n % 9000",
        "placed_at": _AGO.format(300),
        "paid_at": _AGO.format(299),
    }
    first, _ = multiply(Order, count, **values | other)
    multiply(OrderItem, count, **{"order_id": f"{first} + n - 1", "position": "0"} | item)
    multiply(OrderReference, count, order_id=f"{first} + n - 1", reference="'invoice:in_crowd' || n")


def _one_of(words: list[str], step: int) -> str:
    listed = ", ".join(f"'{word!s}'" for word in words)
    return f"(array[{listed}])[1 + (n / {step}) % {len(words)}]"
