"""A recurring payment that cannot be brought up to date holds up no other, is tried again by schedule, and is shown.

What fails is refused by the database itself: a rule that one row breaks, planted by the test and taken away again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client

from common.due import BACKOFF, MAX_CLAIMS, State
from common.origin import Origin
from connections import derived, failed_derivations, idle, inbox, rederiving, remote_objects, underived, underived_pages
from connections.derived import Told
from connections.health import attention
from connections.models import Connection, FailedDerivation, Rederivation, Underived
from recurring_payments.models import RecurringPayment
from tests.connections.test_app_pages import text
from tests.connections.test_rederiving import (  # noqa: F401  (fixtures)
    FEW_PAGES,
    connection,
    names,
    rename,
    shop,
    with_subscriptions,
)
from users.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 12
BROKEN = "sub_5"


@contextmanager
def refused(rule: str) -> Iterator[None]:
    """Rows of recurring payments that break the rule are refused, as by a bug that nobody foresaw."""
    with database.cursor() as cursor:
        cursor.execute(f"alter table recurring_payments_recurringpayment add constraint planted {rule}")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("alter table recurring_payments_recurringpayment drop constraint planted")


NOT_FIVE = f"check (store_recurring_payment_id <> '{BROKEN}' or name = 'Old name') not valid"


@contextmanager
def refused_at_commit() -> Iterator[None]:
    """The same, but found out only when the transaction commits."""
    with database.cursor() as cursor:
        cursor.execute(
            """create function planted() returns trigger language plpgsql as $$ begin
                raise exception 'planted' using errcode = 'foreign_key_violation'; end $$;
            create constraint trigger planted after insert or update on recurring_payments_recurringpayment
                deferrable initially deferred for each row
                when (new.store_recurring_payment_id = 'sub_5') execute function planted()"""
        )
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("drop trigger planted on recurring_payments_recurringpayment; drop function planted")


@pytest.fixture
def marked(connection: Connection) -> Connection:  # noqa: F811
    """Some subscriptions whose product was renamed by an import that has left them to be derived."""
    with_subscriptions(connection, COUNT)
    held = remote_objects.read(connection, {"product:prod_1"})["product:prod_1"]
    held.body = {**(held.body or {}), "name": "New name"}
    held.save(update_fields=["body"])
    told = Told(datetime(2026, 1, 2, tzinfo=UTC), Origin.HISTORY, "", silent=True)
    with transaction.atomic():
        underived.mark(connection, {f"subscription:sub_{number}": told for number in range(COUNT)})
    return connection


def due_now() -> None:
    FailedDerivation.objects.filter(state=State.DUE).update(next_attempt_at=Now() - timedelta(seconds=1))


def test_one_that_is_refused_for_ever_stops_no_other(marked: Connection) -> None:
    """Its page must not be begun again and again, with no other ever written."""
    with refused(NOT_FIVE):
        assert underived_pages.drain() == 1
        assert names() == {"New name": COUNT - 1, "Old name": 1}
        assert not Underived.objects.exists()
        kept = FailedDerivation.objects.get()
        assert (kept.object_key, kept.attempts, kept.state) == (f"subscription:{BROKEN}", 1, State.DUE)
        assert "planted" in kept.last_error and kept.next_attempt_at > kept.occurred_at
        assert failed_derivations.drain() == 0, "it is not due yet"
        due_now()
        assert failed_derivations.drain() == 1
        kept.refresh_from_db()
        assert (kept.attempts, kept.claims) == (2, 0)
    due_now()
    assert failed_derivations.drain() == 1
    assert names() == {"New name": COUNT} and not FailedDerivation.objects.exists()


def test_what_is_refused_at_the_commit_is_tried_alone_in_the_end(marked: Connection) -> None:
    """A page that fails as a whole, and does not say by whom, is not begun for ever."""
    with refused_at_commit():
        for _ in range(MAX_CLAIMS):
            assert underived_pages.drain() == 0
        assert set(Underived.objects.values_list("tries", flat=True)) == {MAX_CLAIMS}
        while underived_pages.drain() + failed_derivations.drain():
            pass
        assert names() == {"New name": COUNT - 1, "Old name": 1}
        assert FailedDerivation.objects.get().object_key == f"subscription:{BROKEN}"
    due_now()
    failed_derivations.drain()
    assert names() == {"New name": COUNT} and not FailedDerivation.objects.exists()


def test_one_that_kills_its_worker_is_set_aside_alone(marked: Connection) -> None:
    """Each worker that died over the page left a try behind; tried alone, its lease does the counting."""
    for _ in range(MAX_CLAIMS):
        underived_pages._begun(marked.pk)  # and here the worker is killed
        assert underived_pages.drain() == 0, "its lease is not over"
        Underived.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert underived_pages.drain() == 1
    assert FailedDerivation.objects.filter(attempts=0).count() == COUNT
    killer = FailedDerivation.objects.filter(object_key=f"subscription:{BROKEN}")
    for _ in range(MAX_CLAIMS):
        assert len(killer.claim(1)) == 1
        FailedDerivation.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))
        FailedDerivation.objects.release_expired()
    failed_derivations.drain()
    assert FailedDerivation.objects.get().state == State.DEAD
    assert names() == {"New name": COUNT - 1, "Old name": 1}


def test_a_walk_goes_on_without_the_one_that_is_refused(shop: Connection) -> None:  # noqa: F811
    rename(shop, "New name")
    inbox.drain()
    with refused(NOT_FIVE):
        rederiving.drain()
        assert names() == {"New name": FEW_PAGES - 1, "Old name": 1}
        assert not Rederivation.objects.exists()
    kept = FailedDerivation.objects.get()
    assert (kept.object_key, kept.origin, kept.silent) == (f"subscription:{BROKEN}", Origin.WEBHOOK, False)
    due_now()
    failed_derivations.drain()
    assert names() == {"New name": FEW_PAGES}


def test_a_second_failure_keeps_the_schedule_and_the_newest_fact(marked: Connection) -> None:
    with refused(NOT_FIVE):
        underived_pages.drain()
        FailedDerivation.objects.update(state=State.DEAD, attempts=len(BACKOFF) + 1)
        for day in (5, 1):
            told = Told(datetime(2026, 1, day, tzinfo=UTC), Origin.HISTORY, "", silent=False)
            with transaction.atomic():
                underived.mark(marked, {f"subscription:{BROKEN}": told})
            underived_pages.drain()
        kept = FailedDerivation.objects.get()
    assert (kept.state, kept.occurred_at.day, kept.silent) == (State.DEAD, 5, False)


def test_a_later_change_that_goes_well_ends_the_failure(marked: Connection) -> None:
    """What is right again is not warned of."""
    with refused(NOT_FIVE):
        underived_pages.drain()
    FailedDerivation.objects.update(state=State.DEAD)
    told = Told(datetime(2026, 1, 3, tzinfo=UTC), Origin.WEBHOOK, "live")
    with transaction.atomic():
        derived.refresh(marked, {f"subscription:{BROKEN}": told})
    assert names() == {"New name": COUNT} and not FailedDerivation.objects.exists()


def test_disconnected_accounts_rest(marked: Connection) -> None:
    with refused(NOT_FIVE):
        underived_pages.drain()
    due_now()
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    assert failed_derivations.drain() == 0 and FailedDerivation.objects.count() == 1
    assert idle.busy() == []


def set_aside() -> FailedDerivation:
    """As after the last of its tries."""
    FailedDerivation.objects.update(attempts=len(BACKOFF), next_attempt_at=Now() - timedelta(seconds=1))
    failed_derivations.drain()
    kept = FailedDerivation.objects.get()
    assert kept.state == State.DEAD
    return kept


def test_what_no_try_has_helped_is_shown_and_tried_again(
    marked: Connection, marketer_client: Client, staff_client: Client
) -> None:
    """Nothing ends in a log file. The app page and the sidebar warn; a person tries again."""
    with refused(NOT_FIVE):
        underived_pages.drain()
        assert "next try" in text(marketer_client, "/apps/stripe/updates/")
        assert "update of orders or recurring payments" not in text(marketer_client, "/apps/stripe/")
        kept = set_aside()
        page = text(marketer_client, "/apps/stripe/")
        assert "1 update of orders or recurring payments of" in page and 'href="/apps/stripe/updates/"' in page
        assert "Needs attention" in page and attention(None) == 1  # type: ignore[arg-type]
        assert 'href="/apps/stripe/updates/"' in text(marketer_client, "/apps/stripe/log/")
        page = text(marketer_client, "/apps/stripe/updates/")
        payment = RecurringPayment.objects.get(store_recurring_payment_id=BROKEN)
        assert "planted" in page and f'href="{payment.get_absolute_url()}"' in page and "Try all again" in page
        # Not mended yet: it comes back to the list, with its tries before it.
        marketer_client.post("/apps/stripe/updates/retry/", {"update": f"one-{kept.pk}"})
        failed_derivations.drain()
        kept.refresh_from_db()
        assert (kept.state, kept.attempts) == (State.DUE, 1)
        set_aside()
    assert staff_client.post("/apps/stripe/updates/retry/").status_code == 403
    answer = marketer_client.post("/apps/stripe/updates/retry/", follow=True)
    assert "tries again now" in answer.content.decode()
    failed_derivations.drain()
    assert names() == {"New name": COUNT}
    assert "Nothing failed" in text(marketer_client, "/apps/stripe/updates/")
    assert AuditEntry.objects.filter(action="retried updates").count() == 2
    assert attention(None) == 0  # type: ignore[arg-type]


def test_a_walk_that_is_set_aside_is_shown_and_tried_again(
    shop: Connection,  # noqa: F811
    marketer_client: Client,
) -> None:
    rename(shop, "New name")
    inbox.drain()
    for _ in range(MAX_CLAIMS):  # workers that die over it
        rederiving.walkable().claim(1)
        Rederivation.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))
        Rederivation.objects.release_expired()
    rederiving.drain()
    walk = Rederivation.objects.get()
    assert walk.state == State.DEAD
    assert "1 update of orders or recurring payments of" in text(marketer_client, "/apps/stripe/")
    assert "Every recurring payment with product prod_" in text(marketer_client, "/apps/stripe/updates/")
    for wrong in ("all-x", "none-1", "all-999999", f"one-{walk.pk}"):
        answer = marketer_client.post("/apps/stripe/updates/retry/", {"update": wrong}, follow=True)
        assert "nothing to try" in answer.content.decode()
    marketer_client.post("/apps/stripe/updates/retry/", {"update": f"all-{walk.pk}"})
    rederiving.drain()
    assert names() == {"New name": FEW_PAGES} and not Rederivation.objects.exists()


def test_what_is_dismissed_warns_no_more(marked: Connection, marketer_client: Client) -> None:
    with refused(NOT_FIVE):
        underived_pages.drain()
        name = {"update": f"one-{FailedDerivation.objects.get().pk}"}
        marketer_client.post("/apps/stripe/updates/dismiss/", name)
        assert FailedDerivation.objects.exists(), "what is still tried is not given up"
        set_aside()
        marketer_client.post("/apps/stripe/updates/dismiss/", name)
    assert not FailedDerivation.objects.exists()
    assert "update of orders or recurring payments" not in text(marketer_client, "/apps/stripe/")
    assert AuditEntry.objects.filter(action="dismissed update").exists()


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(marked: Connection) -> None:
    """Its claim is gone; who has it now does the work, once."""
    with refused(NOT_FIVE):
        underived_pages.drain()
    due_now()
    mine = failed_derivations.workable().claim(1)[0]
    FailedDerivation.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))
    FailedDerivation.objects.release_expired()
    failed_derivations._try(mine)
    assert names() == {"New name": COUNT - 1, "Old name": 1}
    assert failed_derivations.drain() == 1 and names() == {"New name": COUNT}
