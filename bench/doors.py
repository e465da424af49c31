"""The least a webhook can cost here: doors that verify and answer, or verify and store, and nothing else.

Served by the same granian as the product. DATABASE_URL names the database; the secret stands in BENCH_SECRET.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

TABLE = "bench_door"
CREATE = f"""
    create table if not exists {TABLE} (
        id bigint generated always as identity primary key, event_id text unique, body bytea,
        done boolean not null default false, received_at timestamptz not null default now()
    );
    create table if not exists {TABLE}_object (id text primary key, as_of bigint, body jsonb);
"""
Start = Callable[[str, list[tuple[str, str]]], Any]
_here = threading.local()


def is_genuine(environ: dict[str, Any], body: bytes) -> bool:
    parts = dict(part.split("=", 1) for part in environ.get("HTTP_STRIPE_SIGNATURE", "").split(",") if "=" in part)
    signed = f"{parts.get('t')}.".encode() + body
    expected = hmac.new(os.environ["BENCH_SECRET"].encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))


def insert_door(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """No framework: verify, one INSERT, committed, 200."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["REQUEST_METHOD"] == "POST":
        if not is_genuine(environ, body):
            start("400 Bad Request", [("Content-Length", "0")])
            return [b""]
        event_id = json.loads(body)["id"]
        _connection().execute(
            f"insert into {TABLE} (event_id, body) values (%s, %s) on conflict do nothing",  # noqa: S608
            [event_id, body],
        )
    start("200 OK", [("Content-Length", "0")])
    return [b""]


def _connection() -> psycopg.Connection:
    if not hasattr(_here, "connection"):
        _here.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    found: psycopg.Connection = _here.connection
    return found


def process(limit: int = 500) -> int:
    """The least a worker can do: claim a batch, write the newest state of each object, mark the batch done."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"select id, body from {TABLE} where not done order by id limit %s for update skip locked",  # noqa: S608
            [limit],
        )
        rows = cursor.fetchall()
        states: dict[str, tuple[int, str]] = {}
        for _, body in rows:
            event = json.loads(body)
            obj = event["data"]["object"]
            states[obj["id"]] = event["created"], json.dumps(obj)
        keys = sorted(states)
        cursor.execute(
            f"insert into {TABLE}_object select id, as_of, body::jsonb from unnest(%b::text[], %b::int8[], %b::text[]) "  # noqa: S608
            "as v(id, as_of, body) on conflict (id) do update set as_of = excluded.as_of, body = excluded.body "
            f"where {TABLE}_object.as_of <= excluded.as_of",
            [keys, [states[key][0] for key in keys], [states[key][1] for key in keys]],
        )
        cursor.execute(f"update {TABLE} set done = true where id = any(%b)", [[pk for pk, _ in rows]])  # noqa: S608
    return len(rows)
