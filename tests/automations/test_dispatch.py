"""Activities start automations: once each, in company of other workers, only those they are meant for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automations import awaiting, dispatch, engine, lifecycle
from automations.models import Awaited, Run
from common.due import State
from contacts.models import Activity, Contact, ContactTag, Kind, Tag
from orders.models import Order
from recurring_payments.models import RecurringPayment
from tests.automations.conftest import Make, happened, having, later, on, person, settled, step, tagged, worked

pytestmark = pytest.mark.django_db(transaction=True)
TAGGED = on("tag_added", tag="start")
STEPS = [step("add_tag", 1, tag="seen")]


def at_once(number: int, work: Callable[[], Any]) -> None:
    """The same in so many threads that begin together; what one raises is raised here."""
    barrier, errors = threading.Barrier(number), []

    def run() -> None:
        try:
            barrier.wait()
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_an_activity_starts_an_automation_once_whoever_looks(automation: Make) -> None:
    automation(TAGGED, STEPS)
    for _ in range(50):
        tagged(person(), "start")
    at_once(4, dispatch.drain)
    assert Run.objects.count() == 50
    Activity.objects.filter(data__tag="start").update(dispatched_at=None)
    at_once(4, dispatch.drain)
    assert Run.objects.count() == 50


def test_runs_once_is_once_a_contact_even_when_both_changes_come_at_once(automation: Make) -> None:
    """B050: once."""
    automation(on("tag_added", tag="start", once=True), STEPS)
    ann = person()
    for _ in range(20):
        tagged(ann, "start")
    at_once(4, lambda: dispatch.batch())
    tagged(ann, "start")
    worked()
    assert Run.objects.count() == 1


def test_every_time_is_every_time(automation: Make) -> None:
    """B050: multiple times."""
    automation(TAGGED, STEPS)
    ann = person()
    tagged(ann, "start")
    tagged(ann, "start")
    worked()
    assert Run.objects.count() == 2


def test_only_automations_marked_for_test_see_test_events_and_no_others(automation: Make) -> None:
    """C022."""
    automation(TAGGED, STEPS, name="Live")
    automation(TAGGED, STEPS, name="Test", is_test=True)
    live, test = person(), person(is_test=True)
    tagged(live, "start")
    tagged(test, "start", is_test=True)
    worked()
    runs = {(run.automation.name, run.contact_id, run.is_test) for run in Run.objects.all()}
    assert runs == {("Live", live.pk, False), ("Test", test.pk, True)}


def test_what_history_brought_starts_nothing(automation: Make) -> None:
    automation(TAGGED, STEPS)
    activity = tagged(person(), "start")
    Activity.objects.filter(pk=activity.pk).update(dispatched_at=Now())
    worked()
    assert not Run.objects.exists()


def test_only_contacts_of_the_triggers_segment_enter(automation: Make) -> None:
    """B037."""
    automation(on("tag_added", tag="start", conditions=having("contact.tag", "has", "vip")), STEPS)
    ann, bob = person(), person()
    Tag.objects.create(name="vip").contacts.add(ann)
    tagged(ann, "start")
    tagged(bob, "start")
    worked()
    assert [run.contact for run in Run.objects.all()] == [ann]


def order(contact: Contact) -> Order:
    return Order.objects.create(
        contact=contact,
        source="stripe",
        account="acct_1",
        external_id=f"ch_{Order.objects.count()}",
        status="paid",
        currency="EUR",
        total=4900,
        placed_at=timezone.now(),
    )


def test_an_order_is_looked_at_when_its_parts_have_had_time_to_meet(
    automation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two orders that turn out to be one start one run: the repeated activity is gone by then."""
    monkeypatch.setattr(dispatch, "ORDERS_SETTLE", timedelta(minutes=1))
    automation(on("order_paid"), STEPS)
    ann = person()
    kept, gone = order(ann), order(ann)
    happened(ann, Kind.ORDER_PAID, order=kept.pk)
    repeated = happened(ann, Kind.ORDER_PAID, order=gone.pk)
    worked()
    assert not Run.objects.exists()
    repeated.delete()
    gone.delete()
    settled()
    worked()
    run = Run.objects.get()
    assert (run.order, run.standing) == (kept, "completed")


def test_a_run_whose_order_was_deleted_ends(automation: Make) -> None:
    automation(
        on("order_paid"), [step("wait", 1, duration={"amount": 1, "unit": "hours"}), step("add_tag", 2, tag="x")]
    )
    ann = person()
    deleted = order(ann)
    happened(ann, Kind.ORDER_PAID, order=deleted.pk)
    settled()
    worked()
    deleted.delete()
    later(Run.objects.get(), seconds=1)
    worked()
    assert Run.objects.get().standing == "ended"


def test_what_has_no_contact_yet_waits_for_one_and_not_for_ever(automation: Make) -> None:
    automation(on("order_created"), STEPS)
    activity = happened(None, Kind.ORDER_CREATED)
    Activity.objects.filter(pk=activity.pk).update(recorded_at=Now() - timedelta(minutes=1))
    worked()
    ann = person()
    Activity.objects.filter(pk=activity.pk).update(contact=ann)
    nobody = happened(None, Kind.ORDER_CREATED)
    settled()
    worked()
    nobody.refresh_from_db()
    assert [run.contact for run in Run.objects.all()] == [ann]
    assert nobody.dispatched_at


def test_the_number_of_queries_does_not_grow_with_the_batch(automation: Make) -> None:
    automation(on("tag_added", tag="start", conditions=having("contact.tag", "has_not", "bad")), STEPS)
    counts = []
    for number in (5, 200):
        for _ in range(number):
            tagged(person(), "start")
        with CaptureQueriesContext(connection) as asked:
            assert dispatch.batch() == number
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 14
    assert Run.objects.count() == 205


def test_many_contacts_enter_at_once_and_each_passes_once(automation: Make) -> None:
    """All done and nothing twice, with four workers."""
    automation(TAGGED, [step("add_tag", 1, tag="a"), step("add_tag", 2, tag="b")])
    people = [Contact(email=f"p{n}@example.com", email_key=f"p{n}@example.com") for n in range(PEOPLE)]
    Contact.objects.bulk_create(people)
    Activity.objects.bulk_create(
        Activity(
            contact=contact,
            kind=Kind.TAG_ADDED,
            occurred_at=timezone.now(),
            summary="Tag added: start",
            data={"tag": "start"},
            origin="webhook",
            dedupe=f"many:{contact.pk}",
        )
        for contact in people
    )

    def worker() -> None:
        while dispatch.drain() + engine.drain() or Run.objects.filter(state__in=[State.DUE, State.RUNNING]).exists():
            pass

    at_once(4, worker)
    assert Run.objects.filter(state=State.DONE).count() == PEOPLE
    assert ContactTag.objects.count() == 2 * PEOPLE
    assert Activity.objects.filter(origin="automation").count() == 2 * PEOPLE
    assert Run.objects.filter(log__result="done").count() == 2 * PEOPLE


# bin/bench automations does the same with ten thousand and processes, and counts after it.
PEOPLE = 2_000


# --- Recurring payments nobody is known for ---


@pytest.fixture
def nobodys(db: None) -> RecurringPayment:
    """A subscription whose customer has no address yet."""
    about = {"source": "stripe", "account": "acct_1", "store_recurring_payment_id": "sub_1"}
    return RecurringPayment.objects.create(**about, normalized_status="ACTIVE")


def begins(row: RecurringPayment) -> Activity:
    return happened(None, Kind.RECURRING_PAYMENT_CREATED, recurring_payment=row.pk)


def known_for(row: RecurringPayment, contact: Contact) -> None:
    RecurringPayment.objects.filter(pk=row.pk).update(contact=contact)
    awaiting.drain()
    worked()


def test_a_recurring_payment_starts_at_once_when_its_contact_comes_within_minutes(
    automation: Make, nobodys: RecurringPayment
) -> None:
    """B051."""
    automation(on("recurring_payment_created"), STEPS)
    row, activity = nobodys, begins(nobodys)
    worked()
    assert not Run.objects.exists()
    ann = person()
    known_for(row, ann)
    run = Run.objects.get()
    assert (run.contact, run.recurring_payment, run.activity) == (ann, row, activity)
    known_for(row, ann)
    assert Run.objects.count() == 1


def test_a_recurring_payment_starts_once_when_its_contact_comes_much_later(
    automation: Make, nobodys: RecurringPayment
) -> None:
    """B051: on its timeline as well; what was activated in between did not hear of it."""
    automation(on("recurring_payment_created"), STEPS, name="Listening")
    stopped = automation(on("recurring_payment_created"), STEPS, name="Stopped")
    automation(on("recurring_payment_created", conditions=having("contact.first_name", "is", "Bea")), STEPS, name="Bea")
    row, activity = nobodys, begins(nobodys)
    settled()
    worked()
    activity.refresh_from_db()
    assert activity.dispatched_at and Awaited.objects.count() == 3
    automation(on("recurring_payment_created"), STEPS, name="Later")
    lifecycle.pause(stopped.pk)
    known_for(row, ann := person(first_name="Ann"))
    known_for(row, ann)
    assert [(run.automation.name, run.contact, run.recurring_payment) for run in Run.objects.all()] == [
        ("Listening", ann, row)
    ]
    activity.refresh_from_db()
    assert activity.contact == ann and not Awaited.objects.exists()


def test_only_recurring_payments_that_would_start_something_are_awaited(
    automation: Make, nobodys: RecurringPayment
) -> None:
    automation(on("recurring_payment_updated", field="normalized_status"), STEPS)
    begins(nobodys)
    settled()
    worked()
    assert not Awaited.objects.exists()
