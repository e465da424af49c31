"""The door in front of Django: the same answers as the view, deliveries at once in one commit, none lost by another."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError
from django.db import connection as database
from django.db import connections as databases

from config.wsgi import application
from connections import arrivals, setup
from connections.arrivals import Arrival
from connections.models import Connection, InboundEvent, Resource
from connections.sources.stripe import translate
from tests.connections.test_endpoint import sign
from tests.connections.test_guard import event

pytestmark = pytest.mark.django_db(transaction=True)
Answer = tuple[int, dict[str, str]]


@pytest.fixture
def connection(live_hook: None, connect: Callable[..., Resource]) -> Connection:
    return Connection.objects.get(pk=connect("customer").connection_id)


def post(path: str, body: bytes, header: str = "", *, method: str = "POST", length: str | None = None) -> Answer:
    """As the web server asks: (status, headers)."""
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)) if length is None else length,
        "HTTP_STRIPE_SIGNATURE": header,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    b"".join(application(environ, lambda status, headers, *rest: told.extend([status, headers])))  # type: ignore[arg-type]
    return int(told[0].split()[0]), dict(told[1])


def body_of(number: int) -> bytes:
    return json.dumps(event(number, "customer.created", int(time.time()), id=f"cus_{number}")).encode()


def test_the_door_answers_as_the_view_does(connection: Connection) -> None:
    path, body = connection.hook_path, body_of(1)
    assert post(path, body, sign(connection, body))[0] == 200
    assert post(path, body, sign(connection, body))[0] == 200
    assert InboundEvent.objects.get().state == "due"
    assert post(path, body, "t=1,v1=abc")[0] == 400
    assert post("/hooks/stripe/nobody/", body)[0] == 404
    assert post(path, body, sign(connection, body), length=str(2 * 1024 * 1024))[0] == 413
    assert post(path, b"", method="GET")[0] == 405
    setup.disconnect(connection)
    assert post(path, body_of(2), sign(connection, body_of(2)) if connection.webhook_secret_sealed else "")[0] == 410


def test_other_pages_go_past_the_door(connection: Connection) -> None:
    assert post("/", b"", method="GET")[0] == 302
    assert post("/hooks/stripe/a/b/", b"")[0] in (302, 404)


def test_a_rolled_secret_counts_at_once(connection: Connection) -> None:
    first = body_of(1)
    assert post(connection.hook_path, first, sign(connection, first))[0] == 200
    connection.seal("webhook_secret", "whsec_new")
    connection.save()
    second = body_of(2)
    assert post(connection.hook_path, second, sign(connection, second))[0] == 200


def test_a_database_that_refuses_is_503_and_stripe_tries_again(connection: Connection) -> None:
    body = body_of(1)
    header = sign(connection, body)
    assert post(connection.hook_path, b"{}", "t=1,v1=x")[0] == 400
    with database.cursor() as cursor:
        cursor.execute("alter table connections_inboundevent rename to elsewhere")
    try:
        status, headers = post(connection.hook_path, body, header)
        assert (status, headers["Retry-After"]) == (503, "10")
    finally:
        with database.cursor() as cursor:
            cursor.execute("alter table elsewhere rename to connections_inboundevent")
    assert post(connection.hook_path, body, header)[0] == 200


def arrival(connection: Connection, number: int, **values: Any) -> Arrival:
    body = body_of(number)
    return Arrival(connection.pk, connection.epoch, translate.envelope(translate.parse(body)), body, **values)


def test_deliveries_at_once_are_each_stored_once(connection: Connection) -> None:
    """Reliability 2: the same event from many threads is one row; all are told so."""
    taken: list[bool] = []
    start = threading.Barrier(16)

    def deliver(number: int) -> None:
        start.wait()
        taken.append(arrivals.store(arrival(connection, number % 4)))
        databases.close_all()

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert taken == [True] * 16
    assert InboundEvent.objects.count() == 4


def test_who_writes_calls_the_next_one_whatever_happens(connection: Connection) -> None:
    """Reliability 2: many a thread, each with delivery after delivery, some of which cannot be stored."""
    told: list[bool] = []

    def deliver(thread: int) -> None:
        for number in range(10):
            one = arrival(connection, 100 * thread + number)
            if number % 5 == 4:
                one.about = translate.Envelope(**{**vars(one.about), "type": "x" * 500})
            try:
                told.append(arrivals.store(one))
            except DatabaseError:
                told.append(False)
        databases.close_all()

    threads = [threading.Thread(target=deliver, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == [False] * 16 + [True] * 64
    assert InboundEvent.objects.count() == 64
    assert not arrivals._waiting and not arrivals._is_writing


def test_one_that_cannot_be_stored_takes_no_other_along(connection: Connection) -> None:
    good, bad = arrival(connection, 1), arrival(connection, 2)
    bad.about = translate.Envelope(**{**vars(bad.about), "type": "x" * 500})
    arrivals._store([good, bad])
    assert good.taken and good.error is None and bad.error is not None
    assert InboundEvent.objects.get().event_id == good.about.id


def test_nothing_is_stored_for_an_account_disconnected_meanwhile(connection: Connection) -> None:
    late = arrival(connection, 1)
    setup.disconnect(connection)
    assert arrivals.store(late) is False
    assert not InboundEvent.objects.exists()
