"""Outgoing webhooks, against a receiver behind HTTP that checks each signature."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape
from pytest_django import Settings
from standardwebhooks import Webhook

from automations.destinations import hosts, http, queueing, sending, setup, signing
from automations.destinations.models import SCHEDULE, Delivery, Destination, Host
from automations.models import RunStep
from common.due import State
from contacts.models import Kind
from local.data import ROOT
from sandbox import webhook_receiver
from sandbox.webhook_receiver import Receiver
from tests.automations.conftest import Make, happened, on, person, step, tagged, worked
from tests.automations.destinations import EMAIL, due_again, rested, sent, webhook
from tests.automations.destinations import receiver as receiver
from tests.automations.destinations import shop as shop
from tests.live import process_environment
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
TAGGED = on("tag_added", tag="start")


def queued(automation: Make, shop: Destination, **parameters: object) -> Delivery:
    """A delivery that an automation's step has put into the queue."""
    given = {"destination": shop.pk, "name": "order.paid", "mapping": [EMAIL], **parameters}
    automation(TAGGED, [step("webhook", 1, **given)])
    tagged(person("ann@example.com", first_name='A"nn', last_name="Smith"), "start")
    worked()
    return Delivery.objects.get()


def test_a_step_posts_signed_json_made_leaf_by_leaf(automation: Make, shop: Destination, receiver: Receiver) -> None:
    mapping = [
        {"from": "contact.email", "to": "customer.email"},
        {"from": "contact.first_name", "to": "customer.name"},
        {"from": "totals.payments", "to": "payments"},
        {"from": "contact.phone", "to": "customer.phone"},
    ]
    delivery = queued(automation, shop, mapping=mapping)
    assert receiver.messages() == []  # a row, no request, in the run's transaction
    sent()
    (message,) = receiver.messages()
    assert message.verified and message.id == delivery.message_id
    assert message.json["type"] == "order.paid"
    customer = {"email": "ann@example.com", "name": 'A"nn', "phone": None}
    assert message.json["data"] == {"customer": customer, "payments": 0}
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status) == (State.DONE, 200)
    assert "delivered" in RunStep.objects.latest("pk").message


def test_a_failure_is_logged_with_status_and_body_and_retried_by_schedule_with_the_same_id(
    automation: Make, shop: Destination, receiver: Receiver, marketer_client: Client, staff_client: Client
) -> None:
    """C020: with a line in the run's log that leads to the delivery, for those who may see it."""
    delivery = queued(automation, shop)
    receiver.fault(status=500, count=len(SCHEDULE) + 1, body="<b>broken</b>")
    waits = []
    for _ in SCHEDULE:
        rested()
        sent()
        waits.append(due_again(delivery).total_seconds())
    assert all(0.79 * wish - 2 <= wait <= 1.21 * wish for wish, wait in zip(SCHEDULE, waits, strict=True))
    rested()
    sent()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.status) == (State.DEAD, len(SCHEDULE) + 1, 500)
    tries = list(delivery.tries.all())
    assert len(tries) == len(SCHEDULE) + 1 and {(one.status, one.body) for one in tries} == {(500, "<b>broken</b>")}
    failure = RunStep.objects.get(result="failed")
    assert (failure.status, failure.body) == (500, "")
    assert failure.message.startswith("Webhook “order.paid” failed: ")
    page = marketer_client.get(failure.run.get_absolute_url()).content.decode()
    assert escape(failure.message) in page and f'href="{delivery.get_absolute_url()}">See delivery' in page
    assert delivery.get_absolute_url() not in staff_client.get(failure.run.get_absolute_url()).content.decode()
    assert queueing.resend(delivery)
    rested()
    sent()
    (message,) = receiver.messages()
    assert message.id == delivery.message_id and message.body == delivery.body


@pytest.mark.parametrize(("header", "least", "most"), [("3600", 3590, 3601), ("9999999", 86390, 86401), ("x", 0, 7)])
def test_retry_after_is_honoured_up_to_a_day(
    automation: Make, shop: Destination, receiver: Receiver, header: str, least: float, most: float
) -> None:
    delivery = queued(automation, shop)
    receiver.fault(status=503, headers={"Retry-After": header})
    sent()
    assert least <= due_again(delivery).total_seconds() <= most


def test_a_redirect_is_a_failure_and_is_not_followed(automation: Make, shop: Destination, receiver: Receiver) -> None:
    delivery = queued(automation, shop)
    receiver.fault(status=302, headers={"Location": receiver.url})
    sent()
    delivery.refresh_from_db()
    assert receiver.messages() == [] and delivery.attempts == 1 and "redirect" in delivery.last_error


def test_410_disables_the_destination_and_what_is_due_waits(
    automation: Make, shop: Destination, receiver: Receiver
) -> None:
    delivery = queued(automation, shop)
    receiver.fault(status=410)
    sent()
    delivery.refresh_from_db()
    shop.refresh_from_db()
    assert (delivery.state, shop.state) == (State.DEAD, "disabled") and "410" in shop.error
    queueing.trial(shop)
    assert sent() == 0
    setup.enable(shop)
    assert sent() == 1 and len(receiver.messages()) == 1


def test_a_lost_answer_and_a_slow_one_are_tried_again(
    automation: Make, shop: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = queued(automation, shop)
    receiver.fault(lose_answer=True)
    sent()
    due_again(delivery)
    monkeypatch.setattr(http, "TIMEOUTS", (1, 0.2))
    receiver.fault(delay=1)
    sent()
    delivery.refresh_from_db()
    assert delivery.last_error == "No answer in time."
    due_again(delivery)
    monkeypatch.undo()
    sent()
    ids = {message.id for message in receiver.messages()}
    assert len(receiver.messages()) >= 2 and ids == {delivery.message_id}


def test_after_five_failures_a_host_rests_and_others_go_on(shop: Destination, receiver: Receiver) -> None:
    with webhook_receiver.serve() as other_receiver:
        other, _ = webhook(other_receiver.url, name="Other")
        receiver.fault(status=500, count=100)
        for _ in range(9):
            queueing.trial(shop)
        queueing.trial(other)
        sent()
        host = Host.objects.get(pk=shop.host_id)
        assert host.failures == hosts.FAILURES and host.paused_until
        assert Delivery.objects.filter(destination=shop, attempts=0).count() == 4
        assert len(other_receiver.messages()) == 1
    rested()
    Delivery.objects.filter(destination=shop).update(next_attempt_at=Now())
    assert sent() == 1  # one looks whether it is back
    receiver.mend()
    rested()
    Delivery.objects.filter(destination=shop).update(next_attempt_at=Now())
    sent()
    assert Host.objects.get(pk=shop.host_id).failures == 0
    assert len(receiver.messages()) == 9


def test_a_new_secret_signs_beside_the_old_one_for_a_day(shop: Destination, receiver: Receiver) -> None:
    old = receiver.world.secrets[0]
    new = signing.give_secret(shop)
    receiver.knows(old, new)
    queueing.trial(shop)
    sent()
    assert receiver.messages()[-1].verified == 2
    Destination.objects.update(previous_secret_until=Now() - timedelta(seconds=1))
    queueing.trial(shop)
    sent()
    message = receiver.messages()[-1]
    assert message.verified == 1
    Webhook(new).verify(message.body, message.headers)
    assert signing.forget_old_secrets() == 1


def test_two_new_secrets_in_a_row_leave_the_receiver_with_one_it_knows(shop: Destination, receiver: Receiver) -> None:
    installed = receiver.world.secrets[0]
    given = [signing.give_secret(shop) for _ in range(2)]
    for knows in (installed, *given):
        receiver.knows(knows)
        queueing.trial(shop)
        sent()
        assert receiver.messages()[-1].verified == 1


def test_a_webhook_whose_secret_does_not_open_is_mended_by_a_new_one(
    shop: Destination, receiver: Receiver, admin_client: Client
) -> None:
    other, _ = webhook(receiver.url, name="Other")
    Destination.objects.filter(pk=other.pk).update(secret_sealed=shop.secret_sealed)
    delivery = queueing.trial(other)
    sent()
    page = admin_client.get(other.get_absolute_url()).content.decode()
    assert "Make a new signing secret" in page
    admin_client.post(reverse("destinations:rotate", args=[other.pk]))
    other.refresh_from_db()
    assert (other.state, other.error) == ("active", "")
    secret = other.open("secret")
    assert secret
    receiver.knows(secret.open())
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=Now())
    sent()
    delivery.refresh_from_db()
    assert (delivery.state, receiver.messages()[-1].verified) == (State.DONE, 1)


def test_an_error_of_our_own_does_not_rest_the_host(shop: Destination, receiver: Receiver) -> None:
    """A secret that is none cannot sign; the receiver is as well as before."""
    shop.seal("secret", "whsec_!")
    shop.save()
    delivery = queueing.trial(shop)
    sent()
    due_again(delivery)
    assert delivery.last_error == "An error of our own: EmptyWebhookSecretError."
    assert Host.objects.get(pk=shop.host_id).failures == 0


def test_secrets_are_sealed_and_bound_to_their_row(shop: Destination, receiver: Receiver) -> None:
    secret = receiver.world.secrets[0]
    assert secret.encode() not in bytes(shop.secret_sealed or b"") and secret not in shop.secret_hint
    other, _ = webhook(receiver.url, name="Other")
    Destination.objects.filter(pk=other.pk).update(secret_sealed=shop.secret_sealed)
    queueing.trial(other)
    sent()
    other.refresh_from_db()
    assert other.state == "held" and receiver.messages() == []


def test_a_worker_killed_after_the_hand_over_sends_again_under_the_same_id(
    shop: Destination, receiver: Receiver, tmp_path: Path
) -> None:
    """At least once, and known as one."""
    delivery = queueing.trial(shop)
    receiver.fault(delay=0.0, lose_answer=False)
    code = (
        "import django, os, signal; django.setup()\n"
        "from automations.destinations import sending, verdicts\n"
        "verdicts.write = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sending.drain()\n"
    )
    environment = {**process_environment(), "DEMO": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    delivery.refresh_from_db()
    assert delivery.state == State.RUNNING and len(receiver.messages()) == 1
    Delivery.objects.update(lease_until=Now() - timedelta(seconds=1))
    sent()
    delivery.refresh_from_db()
    first, second = receiver.messages()
    assert (first.id, first.body) == (second.id, second.body) and delivery.state == State.DONE


def test_a_worker_that_lost_its_claim_writes_nothing(shop: Destination, receiver: Receiver) -> None:
    delivery = queueing.trial(shop)
    (claimed,) = Delivery.objects.claim(1)
    Delivery.objects.update(claim_no=99)
    sending.work(claimed)
    delivery.refresh_from_db()
    assert delivery.state == State.RUNNING and not delivery.tries.exists()


def test_an_address_that_was_saved_in_the_demo_is_refused_elsewhere(
    shop: Destination, receiver: Receiver, settings: Settings
) -> None:
    settings.DEMO = False
    delivery = queueing.trial(shop)
    sent()
    delivery.refresh_from_db()
    assert delivery.state == State.DEAD and receiver.messages() == []


def test_the_answer_is_read_up_to_64_kb(shop: Destination, receiver: Receiver) -> None:
    receiver.fault(status=200, body="é" * 300_000)
    delivery = queueing.trial(shop)
    sent()
    assert 30_000 < len(delivery.tries.get().body) <= 64 * 1024


def test_runs_of_test_automations_send_nothing_unless_the_destination_takes_tests(
    automation: Make, shop: Destination, receiver: Receiver
) -> None:
    """C022."""
    given = {"destination": shop.pk, "name": "x", "mapping": [EMAIL]}
    automation(TAGGED, [step("webhook", 1, **given)], is_test=True)
    tagged(person(is_test=True), "start", is_test=True)
    worked()
    assert not Delivery.objects.exists()
    Destination.objects.update(takes_tests=True)
    tagged(person(is_test=True), "start", is_test=True)
    worked()
    assert Delivery.objects.get().is_test


def test_an_order_s_amount_is_sent_as_a_number_in_the_major_unit(
    automation: Make, shop: Destination, receiver: Receiver
) -> None:
    from tests.automations.destinations import paid

    mapping = [
        {"from": "order.total", "to": "amount"},
        {"from": "order.currency", "to": "currency"},
        {"from": "event.summary", "to": "what"},
    ]
    automation(on("order_paid"), [step("webhook", 1, destination=shop.pk, name="paid", mapping=mapping)])
    ann = person()
    order = paid(ann, 4950)
    happened(ann, Kind.ORDER_PAID, order=order.pk)
    from tests.automations.conftest import settled

    settled()
    worked()
    sent()
    data = json.loads(receiver.messages()[0].body)["data"]
    assert (data["amount"], data["currency"]) == (49.5, "eur") and data["what"]


def test_celery_delivers_within_seconds(
    shop: Destination, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C004."""
    from tests.live import CeleryWorker

    monkeypatch.setitem(os.environ, "DEMO", "1")
    worker = CeleryWorker(tmp_path / "worker.log", tmp_path / "schedule")
    worker.start()
    try:
        queueing.trial(shop)
        eventually(lambda: receiver.messages(), timeout=40, what="the worker's delivery")
    finally:
        worker.kill()


def test_what_cannot_leave_stands_in_nobodys_way(shop: Destination, receiver: Receiver) -> None:
    """Thousands that wait for a destination that takes nothing are not looked at to find the one that may leave."""
    for name, state in (("Off", "disabled"), ("Held", "held"), ("Resting", "active")):
        made, _ = webhook(f"http://127.0.0.1:9/{name}", name=name)
        made.host = Host.objects.create(name=name, paused_until=Now() + timedelta(hours=1))
        made.state = state
        made.save()
        moment = Now() - timedelta(hours=1)
        Delivery.objects.bulk_create(
            Delivery(destination=made, kind="webhook", key=f"{name} {n}", next_attempt_at=moment) for n in range(1000)
        )
    queueing.trial(shop)
    with connection.cursor() as cursor:
        cursor.execute("analyze automations_delivery")
    with CaptureQueriesContext(connection) as asked:
        assert sent() == 1
    assert len(receiver.messages()) == 1
    for question in [one["sql"] for one in asked.captured_queries if "mine as materialized" in one["sql"]]:
        assert _looked_at(question) < 100, question


def _looked_at(question: str) -> int:
    """Rows of deliveries that a statement reads and leaves out. Nothing of it stays."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"explain (analyze) {question}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        transaction.set_rollback(True)
    return sum(int(number) for number in re.findall(r"Removed by (?:Join )?Filter: (\d+)", plan))


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"])
def test_a_receiver_that_drips_is_left_when_the_time_is_over(
    beginning: bytes, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte is in time, the whole is not: headers, and the body after them."""
    settings.DEMO = True
    monkeypatch.setattr(http, "TOTAL_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=_drip, args=[listening, beginning])
        dripping.start()
        began = time.monotonic()
        answer = http.send("POST", f"http://127.0.0.1:{listening.getsockname()[1]}/", b"{}", {})
        took = time.monotonic() - began
        dripping.join(20)
    assert took < 5 and not dripping.is_alive()
    assert answer.message == ("" if beginning else "No answer in time.")
    assert answer.status == (200 if beginning else None)


def _drip(listening: socket.socket, beginning: bytes) -> None:
    """One byte in a while, for much longer than anybody should wait."""
    taken, _ = listening.accept()
    with taken, suppress(OSError):
        taken.recv(65536)
        taken.sendall(beginning or b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            taken.sendall(b"X")
            if taken in select.select([taken], [], [], 0.1)[0] and not taken.recv(65536):
                return
