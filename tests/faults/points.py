"""Runs a piece of the product in a child that kills itself before its n-th statement to the database.

`python -m tests.faults.points` reads lines of JSON, [what, when, …arguments], and answers each with a line: "killed",
or how many statements the piece made when it ended before its time. So every place between two statements can be a
place to die, also those between a commit and what follows it. A place too small to be met by chance is named by what
others see of the database then: `when` is a query in place of a number, and the child dies once that says true.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

NEVER = 0


def main() -> None:
    import django

    django.setup()
    from tests.faults.worker import bend

    bend()
    for line in sys.stdin:
        what, when, *arguments = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _live(what, when, arguments, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(("killed" if killed else told or f"ended with {status}") + "\n")
        sys.stdout.flush()


def _live(what: str, when: int | str, arguments: list[Any], pipe: int) -> None:
    """The child: it leaves without any of the parent's goodbyes."""
    import psycopg

    made, execute = 0, psycopg.Cursor.execute
    looking = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) if isinstance(when, str) else None

    def is_time() -> bool:
        return bool(looking and execute(looking.cursor(), when).fetchone()[0]) or made == when

    def count(cursor: Any, *statement: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if is_time():
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(cursor, *statement, **options)

    # The driver's own: not every statement of the product goes through Django's cursor.
    psycopg.Cursor.execute = count  # type: ignore[method-assign]
    try:
        PIECES[what](*arguments)
        os.write(pipe, str(made).encode())
    except BaseException as error:
        os.write(pipe, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


def work() -> None:
    from tests.connections.conftest import work

    work()


def deliver(path: str, body: str, signature: str) -> None:
    """One delivery, as the web takes it."""
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    answer = client.post(path, body, content_type="application/json", headers={"Stripe-Signature": signature})
    assert answer.status_code == 200, answer.status_code


def finish(key: str) -> None:
    """What Finish in the wizard does: connect, register the endpoint, begin the import."""
    from connections import setup
    from connections.models import Connection
    from connections.setup import Choice
    from connections.sources.stripe import events
    from tests.connections.conftest import ROWS

    connection = Connection.objects.exclude(api_key_sealed=None).first() or setup.connect(key)
    choice = Choice("customer", "history_and_new", "all", events.defaults("customer"), ROWS)
    setup.add_resource(connection, choice)


def begin_import() -> None:
    """What *Import again* does."""
    from connections import historical, setup
    from connections.models import Resource

    resource = Resource.objects.get(kind="customer")
    historical.start(resource, until=setup.stripe_time(resource.connection))


def check() -> None:
    """A comparison with Stripe, from its start to its end; one that is under way goes on."""
    from connections import reconcile
    from connections.models import Connection

    connection = Connection.objects.get()
    reconcile.start(connection)
    while reconcile.drain():
        pass


def disconnect() -> None:
    from connections import setup
    from connections.models import Connection

    setup.disconnect(Connection.objects.get())


def automate() -> None:
    """What the workers do for automations, until nothing is due."""
    from automations import dating, dispatch, engine

    while dispatch.drain() + engine.drain() + dating.drain():
        pass


PIECES = {
    "work": work,
    "deliver": deliver,
    "finish": finish,
    "import": begin_import,
    "check": check,
    "disconnect": disconnect,
    "automate": automate,
}

if __name__ == "__main__":
    main()
