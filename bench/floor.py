"""What importing costs at the least: the same lists by http.client and orjson alone, with and without one upsert."""

from __future__ import annotations

import http.client
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import orjson
import psycopg

from bench.measuring import Measured, Measuring
from bench.past import PAGE, Past
from bench.stage import Stage

WINDOWS, AT_ONCE = 32, 8


def fetch(
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

    with Measuring(there, name, past.records, [os.getpid()]) as taken:
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


def upsert(rows: list[dict[str, object]], stock: psycopg.Cursor) -> None:
    if rows:
        stock.execute(_UPSERT, [[row["id"] for row in rows], [orjson.dumps(row).decode() for row in rows]])
