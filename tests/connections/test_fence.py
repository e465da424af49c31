"""Who changes an account while batches of it overlap without a pause."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from connections import fence, inbox, setup
from connections.models import Connection, ConnectionStatus, Resource, SetupDraft, SyncRun
from sandbox.stripe import SandboxAccount
from tests.connections.test_app_pages import APP, text
from users.models import AuditEntry

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


WRITING = "A sync of this account is writing right now."
HTMX = {"HX-Request": "true"}


def test_a_page_that_waits_too_long_says_so_and_changes_nothing(
    connect: Connect, account: SandboxAccount, admin_client: Client
) -> None:
    """Row 65: a batch that lasts longer than the web waits for a lock is no fault of ours, and nothing is lost."""
    resource = connect("customer")
    connection = resource.connection
    draft = SetupDraft.objects.create(connection=connection, kind="charge", sync="new_only", rows=[])
    leaving, removing = (
        reverse("connections:disconnect", args=[connection.pk]),
        reverse("connections:resource-remove", args=[resource.pk]),
    )
    with one_long_batch(connection.pk):
        for address in (leaving, removing, reverse("connections:history-start", args=[resource.pk])):
            answer = admin_client.post(address)
            assert answer.status_code == 302 and WRITING in text(admin_client, answer["Location"])
        answer = admin_client.post(leaving, headers=HTMX)
        assert answer["HX-Redirect"] == APP and WRITING in text(admin_client, APP)
        key = {"key": account.key}
        for headers in ({}, HTMX):
            page = admin_client.post(reverse("connections:replace-key", args=[connection.pk]), key, headers=headers)
            assert page.status_code == 422 and WRITING in page.content.decode()
        chosen = reverse("connections:statuses", args=[connection.pk])
        values = _values(admin_client, chosen) | {"unpaid": "PENDING"}
        page = admin_client.post(chosen, values)
        assert page.status_code == 422 and WRITING in page.content.decode()
        assert page.context["form"]["unpaid"].value() == "PENDING"
        mapping = reverse("connections:wizard-map", args=[draft.pk])
        rows = {"row": ["1"], "row-1-source": "customer.email", "row-1-target": "email", "action": "finish"}
        page = admin_client.post(mapping, rows)
        assert page.status_code == 422 and "Your rows are kept" in page.content.decode()
        assert WRITING in page.content.decode()
    connection.refresh_from_db()
    assert (connection.is_connected, connection.epoch, connection.status_map) == (True, 1, {})
    assert Resource.objects.active().get() == resource and not SyncRun.objects.exists()
    assert SetupDraft.objects.get().finished_at is None
    # What was tidied up at Stripe before is put back.
    assert ConnectionStatus.objects.filter(next_check_at__lte=Now()).exists()
    assert admin_client.post(leaving).status_code == 302
    assert Connection.objects.get().state == Connection.State.DISCONNECTED


def test_a_mapping_is_not_saved_while_a_batch_reads_by_the_one_before(
    connect: Connect, account: SandboxAccount, admin_client: Client
) -> None:
    """Row 34: between a page's look at its mapping and its end nobody puts another one in place."""
    resource = connect("customer")
    before = resource.mapping_id
    other = [{"from": ["email"], "to": "email"}, {"from": ["phone"], "to": "phone"}]
    address = f"/apps/stripe/resources/{resource.pk}/mapping/"
    rows = {"row": ["1"], "row-1-source": "customer.email", "row-1-target": "email", "action": "finish"}
    with one_long_batch(resource.connection_id):
        with pytest.raises(fence.Busy):
            setup.write_mapping(resource, other)
        page = admin_client.post(address, rows)
        assert page.status_code == 422 and WRITING in page.content.decode()
    assert Resource.objects.get().mapping_id == before
    assert admin_client.post(address, rows).status_code == 302
    assert Resource.objects.get().mapping_id != before


def test_events_switched_before_a_mapping_that_has_to_wait_are_recorded(connect: Connect, admin_client: Client) -> None:
    """Row 65: Stripe follows at once, the mapping at the next try; the audit log tells both."""
    resource = connect("customer")
    fewer = resource.events[:1]
    draft = SetupDraft.objects.create(
        connection=resource.connection, resource=resource, kind="customer", sync=resource.sync, data=resource.data,
        events=fewer, rows=[{"from": ["phone"], "to": "phone"}, {"from": ["email"], "to": "email"}],
    )  # fmt: skip
    with one_long_batch(resource.connection_id):
        page = admin_client.post(reverse("connections:wizard-finish", args=[draft.pk]))
        assert page.status_code == 422 and WRITING in page.content.decode()
    assert Resource.objects.get().events == fewer
    told = AuditEntry.objects.get(action="changed events of")
    assert told.changes["events"] == {"new": fewer}
    assert admin_client.post(reverse("connections:wizard-finish", args=[draft.pk])).status_code == 302
    assert AuditEntry.objects.filter(action__startswith="changed").count() == 2


def test_the_limits_of_a_web_process_tell_a_wait_from_a_slow_statement(connect: Connect) -> None:
    """Both are five seconds there, and the statement's would come first, as an error that nobody has words for."""
    connection = connect("customer").connection
    with one_long_batch(connection.pk), database.cursor() as cursor:
        cursor.execute("set lock_timeout = '5s'; set statement_timeout = '5s'")
        try:
            with pytest.raises(fence.Busy), transaction.atomic():
                fence.hold_alone(connection.pk)
        finally:
            cursor.execute("reset statement_timeout")


def test_a_draft_that_cannot_be_discarded_now_stays(connect: Connect, admin_client: Client) -> None:
    """Row 65: with its account, whose key goes with it."""
    connection = connect("customer").connection
    Resource.objects.update(removed_at=Now())
    Connection.objects.update(state=Connection.State.SETUP)
    draft = SetupDraft.objects.create(connection=connection, kind="charge", sync="new_only", rows=[])
    discard = reverse("connections:wizard-discard", args=[draft.pk])
    with one_long_batch(connection.pk):
        answer = admin_client.post(discard)
        assert answer.status_code == 302 and WRITING in text(admin_client, answer["Location"])
    assert SetupDraft.objects.get() == draft and Connection.objects.get().api_key_sealed
    assert admin_client.post(discard).status_code == 302
    assert not SetupDraft.objects.exists() and not Connection.objects.get().api_key_sealed


def _values(client: Client, address: str) -> dict[str, str]:
    form = client.get(address).context["form"]
    return {name: form[name].value() for name in form.fields}


@contextmanager
def one_long_batch(connection_id: int, patience: str = "100ms") -> Iterator[None]:
    """A batch that holds the account while this session waits for no lock longer than a moment."""
    held, over = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic():
                fence.hold_together(connection_id)
                held.set()
                over.wait(20)
        finally:
            database.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert held.wait(10)
    try:
        with database.cursor() as cursor:
            cursor.execute(f"set lock_timeout = '{patience}'")
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("reset lock_timeout")
        over.set()
        thread.join(10)


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
