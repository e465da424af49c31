"""What the database refuses of rows that were listed: it passes and is tried again, or the row fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db.models.functions import Now

from connections import historical, reconcile
from connections.models import RemoteObject, Resource, SyncLogEntry, SyncRun, SyncWindow
from contacts.models import Contact
from sandbox.stripe import SandboxAccount
from tests.connections.conftest import work
from tests.connections.imports import Start, audit, walk

pytestmark = pytest.mark.django_db(transaction=True)
UNIQUE, TOO_LARGE, DEADLOCK = "23505", "54000", "40P01"


@contextmanager
def refusing(code: str, condition: str, times: int = 1_000_000) -> Iterator[None]:
    """The database answers so many times with this SQLSTATE when such a contact is written."""
    with database.cursor() as cursor:
        cursor.execute(f"""
            create sequence refused;
            create function refuse() returns trigger language plpgsql as $$ begin
                if nextval('refused') <= {times} then
                    raise exception 'refused' using errcode = '{code}';
                end if;
                return new;
            end $$;
            create trigger refused before insert or update on contacts_contact
                for each row when ({condition}) execute function refuse();
        """)
        try:
            yield
        finally:
            cursor.execute("drop function refuse cascade; drop sequence refused")


@pytest.mark.parametrize("code", [UNIQUE, TOO_LARGE], ids=["unique", "too large"])
def test_a_row_of_history_that_the_database_refuses_fails_alone(
    start: Start, account: SandboxAccount, code: str
) -> None:
    run = start(20)
    customer = next(one for one in account.objects("customer") if one["email"])
    with refusing(code, f"new.email = '{customer['email']}'"):
        run = walk(run)
    assert (run.state, run.listed, run.failed, run.message[:14]) == ("partly_failed", 20, 1, "1 record could")
    entry = SyncLogEntry.objects.get(run=run, result="failed")
    assert entry.object_id == customer["id"] and "could not apply" in entry.reason
    assert SyncLogEntry.objects.filter(run=run).count() == 20
    assert Contact.objects.count() == run.created and not Contact.objects.filter(email=customer["email"]).exists()


def test_what_the_database_refuses_for_a_while_fails_no_row_of_history(start: Start) -> None:
    """Row 42: other workers were at the same rows in each of the tries; the pages are read again."""
    run = start(20)
    with refusing(DEADLOCK, "true", times=5):
        historical.drain()
        audit(walk(run), 20)
    assert not SyncWindow.objects.exclude(last_error_code="").exists()


@pytest.mark.parametrize("code", [UNIQUE, TOO_LARGE], ids=["unique", "too large"])
def test_an_object_of_a_check_that_the_database_refuses_fails_alone(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], code: str
) -> None:
    ada, bob = (account.create_customer(email=f"{name}@mill.example") for name in ("ada", "bob"))
    resource = connect("customer", sync="history_and_new")
    work()
    RemoteObject.objects.update(as_of=Now() - timedelta(days=1))
    for customer, phone in ((ada, "1"), (bob, "2")):
        account.alter(customer["id"], phone=phone)
    with refusing(code, "new.phone = '1'"):
        reconcile.start(resource.connection)
        for _ in range(3):
            reconcile.drain()
    run = SyncRun.objects.checks().get()
    assert (run.state, run.failed, run.repaired) == ("partly_failed", 1, 1)
    assert set(Contact.objects.values_list("email", "phone")) == {(ada["email"], ""), (bob["email"], "2")}
