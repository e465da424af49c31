"""Who changes an account while batches of it overlap without a pause."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection as database
from django.db import transaction

from connections import inbox, setup
from connections.models import Connection, Resource

pytestmark = pytest.mark.django_db(transaction=True)
HOLDERS, HELD_SECONDS = 3, 0.3
Connect = Callable[..., Resource]


def test_a_page_that_disconnects_gets_its_turn_in_a_burst(connect: Connect) -> None:
    """Row 65: with the time limit that the web has; overlapping batches never all let go at once."""
    connection = connect("customer").connection
    with _overlapping_batches(connection.pk) as ended:
        with database.cursor() as cursor:
            cursor.execute("set statement_timeout = '4s'")
        try:
            setup.disconnect(connection)
        finally:
            with database.cursor() as cursor:
                cursor.execute("reset statement_timeout")
        for thread in ended:
            thread.join(10)
        assert not any(thread.is_alive() for thread in ended), "each has seen that the account is gone"
    assert Connection.objects.get().state == Connection.State.DISCONNECTED


@contextmanager
def _overlapping_batches(connection_id: int) -> Iterator[list[threading.Thread]]:
    """Workers that hold the account one into the other until it is disconnected."""
    over, held = threading.Event(), threading.Barrier(HOLDERS + 1)

    def work(number: int) -> None:
        over.wait(number * HELD_SECONDS / HOLDERS)
        first = True
        try:
            while not over.is_set():
                with transaction.atomic():
                    inbox.fenced(connection_id)
                    if first:
                        held.wait(10)
                        first = False
                    over.wait(HELD_SECONDS * (1 + number / HOLDERS))
        except inbox.Moved:
            pass
        finally:
            database.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(HOLDERS)]
    for thread in threads:
        thread.start()
    held.wait(10)
    try:
        yield threads
    finally:
        over.set()
        for thread in threads:
            thread.join(10)
