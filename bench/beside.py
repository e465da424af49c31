"""A peer beside ours: stripe-sync-engine, which keeps Stripe's objects in PostgreSQL, from a folder that has it."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from bench.measuring import Measured, Measuring
from bench.past import Past, serve_lists
from bench.stage import Stage
from local.processes import Program
from local.product import free_port, wait_until_ready

DATABASE = "peer"
_PACKAGE = Path("node_modules/@supabase/stripe-sync-engine/package.json")
_SERVER = Path(__file__).with_name("sync_engine.mjs")
# A history of many people takes minutes at a hundred records a page and a tenth of a second each.
_PATIENCE = 3600.0


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beside", type=_folder, metavar="FOLDER", help="also stripe-sync-engine, installed there")


def _folder(text: str) -> Path:
    if not (Path(text) / _PACKAGE).exists() or not shutil.which("node"):
        raise argparse.ArgumentTypeError(
            f"Needs node, and @supabase/stripe-sync-engine and stripe installed in {text}."
        )
    return Path(text)


def name(folder: Path) -> str:
    return f"stripe-sync-engine {json.loads((folder / _PACKAGE).read_text())['version']}"


def serve(there: Stage, folder: Path, *options: str) -> tuple[int, int]:
    """On a database of its own, with its own migrations; (process id, port)."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"create database {DATABASE}")
        # Its migrations give a function to this role.
        connection.execute("create role postgres")
        # What others left to do in this cluster is done now and not on the peer's account.
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")
    port = free_port(8800)
    command = ["node", str(_SERVER), str(folder.resolve()), "--port", str(port), "--database", address(), *options]
    pid = there.start(Program("peer", command))
    wait_until_ready(there.supervisor, "peer", port, "/")
    return pid, port


def address() -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{DATABASE}").geturl()


def check(people: int) -> None:
    """Each object once: else the figures mean nothing."""
    wanted = {"customers": people, "subscriptions": people, "invoices": 2 * people, "charges": 2 * people}
    with psycopg.connect(address()) as connection:
        found = {
            table: connection.execute(f"select count(*) from stripe.{table}").fetchone()[0]  # type: ignore[index] # noqa: S608
            for table in wanted
        }
    if found != wanted:
        sys.exit(f"The peer holds {found} instead of {wanted}.")
    print(f"checked: {people:,} customers and subscriptions, {2 * people:,} invoices and charges", flush=True)


def walk(there: Stage, folder: Path, past: Past, latency: float) -> Measured:
    """The account's four lists, in a list server that answers as they are listed without expansions."""
    there.supervisor.stop("lists")
    api = serve_lists(there, past, latency, "plain")
    pid, port = serve(there, folder, "--api", str(api))
    walker = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    with Measuring(there, name(folder), past.records, [pid]) as taken:
        walker.request("POST", "/history")
        status = walker.getresponse().status
    if status != http.client.OK:
        sys.exit(f"The peer did not walk the history:\n{there.supervisor.log_end('peer')}")
    assert taken.result  # noqa: S101  the block has ended
    print(taken.result.line(), flush=True)
    check(past.people)
    there.supervisor.stop("peer")
    return taken.result
