"""The connection a busy statement keeps for itself outlives whatever happens to the session behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DataError, InternalError, OperationalError, connection

from common.kept import Kept

pytestmark = pytest.mark.django_db(transaction=True)
_WHO = "select pg_backend_pid() + %b::int4"
# As the driver does not notice.
_FORGET = "do $$ begin execute 'deallocate all'; end $$"


@pytest.fixture
def line() -> Iterator[Kept]:
    kept = Kept()
    yield kept
    kept.close()


def test_the_session_stays_and_what_it_is_asked_is_prepared(line: Kept) -> None:
    assert len({line.execute(_WHO, [0])[0][0] for _ in range(3)}) == 1
    assert line.execute("select statement from pg_prepared_statements where statement like '%%int4%%'", []) != []


def test_a_session_that_ended_is_replaced_and_nobody_notices(line: Kept) -> None:
    ((pid,),) = line.execute(_WHO, [0])
    with connection.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s, 5000)", [pid])
        assert cursor.fetchone() == (True,)
    ((other,),) = line.execute(_WHO, [0])
    assert other != pid


def test_a_pooler_that_swaps_sessions_costs_the_preparation_only(line: Kept) -> None:
    line.execute(_WHO, [0])
    line.execute(_FORGET, [])
    assert line.execute(_WHO, [0])
    # From now on it asks without.
    assert line.execute("select count(*) from pg_prepared_statements", []) == [(0,)]


def test_a_name_that_somebody_else_prepared_is_no_obstacle(line: Kept) -> None:
    line.execute("select 1", [])
    line.execute('prepare "_pg3_2" as select 2', [])
    assert line.execute(_WHO, [0])


def test_errors_are_djangos_and_the_session_goes_on(line: Kept) -> None:
    with pytest.raises(DataError):
        line.execute("select 1 / %b::int4", [0])
    assert line.execute("select 4 / %b::int4", [2]) == [(2,)]


def test_a_server_that_became_read_only_is_left(line: Kept) -> None:
    """As after a failover that lets the old session live: the next connection finds the server that can be written."""
    line.execute("set default_transaction_read_only = on", [])
    with pytest.raises(InternalError):
        line.execute("update contacts_contact set version = version", [])
    assert line.execute("update contacts_contact set version = version", []) == []


def test_a_server_that_is_not_there_is_told_once(line: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    with pytest.raises(OperationalError):
        line.execute(_WHO, [0])
