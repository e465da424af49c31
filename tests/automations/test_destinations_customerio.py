"""Customer.io, against a small one of our own behind HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from automations import engine
from automations.destinations import customerio as track_api
from automations.destinations import http, queueing, sending, setup
from automations.destinations.models import Delivery, Destination, Host
from automations.models import Automation, Run, RunStep
from common.due import State
from contacts.models import Contact, Kind
from recurring_payments.models import RecurringPayment
from sandbox import customerio
from sandbox.customerio import Account, Customerio
from tests.automations.conftest import Make, happened, on, person, settled, step, tagged, worked
from tests.automations.destinations import EMAIL, connected, due_again, paid, rested, sent

pytestmark = pytest.mark.django_db(transaction=True)
TAGGED = on("tag_added", tag="start")


@pytest.fixture
def service(settings: Settings) -> Iterator[Customerio]:
    with customerio.serve() as running:
        settings.CUSTOMERIO_API_BASE = running.base_url + "/{region}"
        yield running


@pytest.fixture
def account(service: Customerio) -> Account:
    return service.account("eu")


@pytest.fixture
def destination(account: Account, db: None) -> Destination:
    return connected(account)


def syncing(automation: Make, destination: Destination, *more: dict[str, str], trigger: object = TAGGED) -> Automation:
    mapping = [EMAIL, *more]
    return automation(trigger, [step("customerio_person", 1, destination=destination.pk, mapping=mapping)])


def test_a_person_is_created_once_and_then_updated(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    """C014."""
    syncing(automation, destination, {"from": "contact.first_name", "to": "first_name"})
    ann = person("ann@example.com", first_name="Ann")
    tagged(ann, "start")
    worked()
    assert service.requests() == []
    sent()
    assert service.people(account)["ann@example.com"]["first_name"] == "Ann"
    tagged(ann, "start")
    worked()
    sent()
    assert list(service.people(account)) == ["ann@example.com"]
    assert [request.method for request in service.requests()] == ["PUT", "PUT"]


def test_the_mapping_needs_the_email(automation: Make, destination: Destination) -> None:
    """C015."""
    from automations import checking

    named = [{"from": "contact.first_name", "to": "name"}]
    wrong = [{"from": "contact.first_name", "to": "email"}]
    for mapping, message in ((named, "email"), (wrong, "email address")):
        draft = step("customerio_person", 1, destination=destination.pk, mapping=mapping)
        problems = list(checking.problems_of_step(draft, frozenset({"contact"})))
        assert problems and message in problems[0].message


def test_totals_and_counts_are_those_of_the_moment_of_sending(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    """C017."""
    ann = person("ann@example.com")
    paid(ann, 1000)
    paid(ann, 500, "jpy")
    keys = ("payments", "total_paid_eur", "total_kept_eur", "total_paid_jpy", "active_recurring_payments")
    syncing(automation, destination, *({"from": f"totals.{key}", "to": key} for key in keys))
    tagged(ann, "start")
    worked()
    paid(ann, 2950, refunded=450, status="partially_refunded")
    paid(ann, 9900, status="failed")
    RecurringPayment.objects.create(
        contact=ann, source="stripe", account="a", store_recurring_payment_id="sub_1", normalized_status="ACTIVE"
    )
    sent()
    told = service.people(account)["ann@example.com"]
    assert {key: told[key] for key in keys} == {
        "payments": 3,
        "total_paid_eur": 39.5,
        "total_kept_eur": 35,
        "total_paid_jpy": 500,
        "active_recurring_payments": 1,
    }


def test_a_payment_makes_an_event_named_as_configured_and_once(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    """C016."""
    mapping = [{"from": "order.total", "to": "amount"}, {"from": "order.placed_at", "to": "at"}]
    steps = [step("customerio_event", 1, destination=destination.pk, name="Payment received", mapping=mapping)]
    automation(on("order_paid"), steps)
    ann = person("ann@example.com")
    order = paid(ann, 4900)
    happened(ann, Kind.ORDER_PAID, order=order.pk)
    settled()
    worked()
    service.fault(lose_answer=True)
    sent()
    due_again(Delivery.objects.get())
    sent()
    assert len(service.requests()) == 2
    (event,) = service.events(account)
    assert (event["person"], event["name"]) == ("ann@example.com", "Payment received")
    assert event["data"] == {"amount": 49, "at": int(order.placed_at.timestamp())}
    assert len(event["id"]) == 26 and abs(event["timestamp"] - timezone.now().timestamp()) < 60


def test_a_500_is_logged_with_status_body_and_count_and_tried_again(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    """C020."""
    syncing(automation, destination)
    tagged(person("ann@example.com"), "start")
    worked()
    service.fault(status=500, body={"error": "sad"})
    sent()
    delivery = Delivery.objects.get()
    tried = delivery.tries.get()
    assert (tried.status, "sad" in tried.body, delivery.attempts) == (500, True, 1)
    assert 1 < due_again(delivery).total_seconds() < 6.5
    sent()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.DONE, 2)
    assert "ann@example.com" in service.people(account)


def test_a_401_holds_everything_until_the_credentials_are_replaced(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    syncing(automation, destination)
    people = [person(f"p{number}@example.com") for number in range(3)]
    account.api_key, old = "new-key", account.api_key
    for one in people:
        tagged(one, "start")
    worked()
    sent()
    destination.refresh_from_db()
    assert destination.state == "held" and "refuses" in destination.error
    assert len(service.requests()) == 1 and sent() == 0
    assert set(Delivery.objects.values_list("state", "attempts")) == {("due", 0)}
    with pytest.raises(track_api.CredentialsRefused):
        track_api.check("eu", account.site_id, old)
    track_api.check("eu", account.site_id, "new-key")
    setup.replace_credentials(destination, "new-key")
    sent()
    assert len(service.people(account)) == 3


def test_the_region_of_the_account_is_checked(service: Customerio, account: Account) -> None:
    """C015."""
    with pytest.raises(track_api.CredentialsRefused, match="region European Union"):
        track_api.check("us", account.site_id, account.api_key)
    service.fault(status=500)
    with pytest.raises(track_api.CredentialsRefused, match="could not be asked"):
        track_api.check("eu", account.site_id, account.api_key)


def test_a_429_rests_the_host_and_counts_no_attempt(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    syncing(automation, destination)
    tagged(person("ann@example.com"), "start")
    tagged(person("bob@example.com"), "start")
    worked()
    service.fault(status=429, headers={"Retry-After": "120"})
    sent()
    assert len(service.requests()) == 0 and Delivery.objects.filter(attempts=0, state="due").count() == 2
    host = Host.objects.get()
    assert host.paused_until and 110 < (host.paused_until - timezone.now()).total_seconds() <= 120
    rested()
    Delivery.objects.update(next_attempt_at=timezone.now())
    sent()
    assert len(service.people(account)) == 2


def test_whatever_fails_the_person_is_equal_in_the_end(
    automation: Make,
    destination: Destination,
    account: Account,
    service: Customerio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 74 of the table of faults: 401, 429, 500 and a timeout; the attributes are those of the row as it is."""
    usual = http.TIMEOUTS
    monkeypatch.setattr(http, "TIMEOUTS", (5, 1))
    syncing(automation, destination, {"from": "contact.first_name", "to": "first_name"})
    ann = person("ann@example.com", first_name="Ann")
    tagged(ann, "start")
    worked()
    delivery = Delivery.objects.get()
    faults = [{"status": 401}, {"status": 429}, {"status": 500}, {"delay": 3.0}, {"lose_answer": True}]
    for number, fault in enumerate(faults):
        service.fault(**fault)
        sent()
        Contact.objects.filter(pk=ann.pk).update(first_name=f"Ann {number}")
        due_again(delivery)
        rested()
        destination.refresh_from_db()
        setup.replace_credentials(destination, account.api_key)
    service.mend()
    monkeypatch.setattr(http, "TIMEOUTS", usual)
    sent()
    assert service.people(account)["ann@example.com"]["first_name"] == "Ann 4"
    assert list(service.people(account)) == ["ann@example.com"]


def test_of_two_requests_about_a_person_one_steps_back_and_no_session_keeps_a_lock(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    """Both claimed at once; the last to ask goes. Behind a pooler a lock of the session would stay for ever."""
    syncing(automation, destination, {"from": "contact.first_name", "to": "first_name"})
    ann = person("ann@example.com", first_name="Ann")
    for _ in range(2):
        tagged(ann, "start")
        worked()
    first, second = Delivery.objects.claim(1) + Delivery.objects.claim(1)
    sending.work(first)
    first.refresh_from_db()
    assert (first.state, first.attempts, first.last_error_code, service.requests()) == (State.DUE, 0, "person", [])
    sending.work(second)
    second.refresh_from_db()
    assert second.state == State.DONE and len(service.requests()) == 1
    with connection.cursor() as cursor:
        # Of this database: tests of another process hold locks of theirs.
        cursor.execute(
            "select count(*) from pg_locks where locktype = 'advisory' "
            "and database = (select oid from pg_database where datname = current_database())"
        )
        assert cursor.fetchone() == (0,)
    due_again(first)
    sent()
    first.refresh_from_db()
    assert first.state == State.DONE and len(service.requests()) == 2


def test_requests_keep_to_twenty_a_second(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    syncing(automation, destination)
    for number in range(15):
        tagged(person(f"p{number}@example.com"), "start")
    worked()
    workers = [threading.Thread(target=_drain) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times = sorted(request.at for request in service.requests())
    # What comes before a request may hold up the first ones longer than the last; without a limit they need no time.
    assert len(times) == 15 and times[-1] - times[0] >= 14 / 20 * 0.6


def _drain() -> None:
    try:
        sent()
    finally:
        connection.close()


def test_a_contact_without_an_address_is_a_failure_in_words(
    automation: Make, destination: Destination, service: Customerio
) -> None:
    syncing(automation, destination)
    ann = person("ann@example.com")
    tagged(ann, "start")
    worked()
    Contact.objects.filter(pk=ann.pk).update(email="", email_key=None)
    sent()
    assert Delivery.objects.get().state == State.DEAD and service.requests() == []
    assert "no email address" in RunStep.objects.get(result="failed").message


def test_deliveries_of_a_merged_contact_follow_it(
    automation: Make, destination: Destination, account: Account, service: Customerio, admin: object
) -> None:
    from contacts.merging import merge

    syncing(automation, destination)
    ann, bob = person("ann@example.com"), person("bob@example.com")
    tagged(bob, "start")
    worked()
    merge(ann.pk, bob.pk, admin)  # type: ignore[arg-type]
    sent()
    assert list(service.people(account)) == ["ann@example.com"]


def test_a_disabled_destination_lets_runs_go_on_and_sends_later(
    automation: Make, destination: Destination, account: Account, service: Customerio
) -> None:
    syncing(automation, destination)
    setup.disable(destination)
    tagged(person("ann@example.com"), "start")
    worked()
    assert Run.objects.get().standing == "completed" and sent() == 0
    setup.enable(destination)
    sent()
    assert list(service.people(account)) == ["ann@example.com"]
    assert engine.drain() == 0 and not queueing.resend(Delivery(pk=0))
