"""Events that wait for more than an hour are told: since when, how many, why, and what can be done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from common.due import State
from connections import fetching, inbox
from connections.models import Connection, ConnectionStatus, InboundEvent, RemoteObject, Resource
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_app_pages import APP, text
from tests.connections.test_guard import START, event

pytestmark = pytest.mark.django_db(transaction=True)
WEBHOOKS = "/apps/stripe/webhooks/"
TOLD = "waited for over an hour"
Receive = Callable[..., None]


def hours_pass(hours: float = 2) -> None:
    moved = {field: F(field) - timedelta(hours=hours) for field in ("occurred_at", "received_at", "next_attempt_at")}
    InboundEvent.objects.update(**moved)


def worker_looked(queue: str, ago: timedelta) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "insert into common_heartbeat (queue, at) values (%s, now() - %s) "
            "on conflict (queue) do update set at = excluded.at",
            [queue, ago],
        )


def test_events_that_wait_for_an_object_say_why_and_it_can_be_read_again(
    receive: Receive, account: SandboxAccount, stripe: Sandbox, marketer_client: Client
) -> None:
    customer = account.create_customer(email="ada@mill.example", phone="truth")
    stripe.discard()
    stripe.faults(path="/v1/customers/", status=500, count=0)
    receive(*(event(n, "customer.updated", START + 5, id=customer["id"], phone=f"guess {n}") for n in (1, 2, 3)))
    fetching.drain()
    InboundEvent.objects.update(occurred_at=Now())
    assert TOLD not in text(marketer_client, APP)

    hours_pass()

    refusal = RemoteObject.objects.get(external_id=customer["id"]).wanted_error
    pk = Connection.objects.get().pk
    for page in (text(marketer_client, APP), text(marketer_client, WEBHOOKS)):
        assert f"2 events of {Connection.objects.get().name} have {TOLD}" in page and "waits began <time" in page
        assert (
            f"They need what is read from Stripe first, such as customer {customer['id']}" in page and refusal in page
        )
        assert f'{reverse("connections:waiting")}?account={pk}"' in page
    assert "2 events wait" in text(marketer_client, f"{reverse('connections:waiting')}?account={pk}")
    assert "Nothing waits" in text(marketer_client, f"{reverse('connections:waiting')}?account={pk + 1}")

    # Asked for again, as after “Replace key”, and nobody reads.
    RemoteObject.objects.update(wanted_error="")
    worker_looked("stripe", timedelta(hours=3))
    assert "but no worker has looked for 3 h at what is to be read" in text(marketer_client, APP)
    worker_looked("stripe", timedelta(0))
    assert "whose turn has not come yet" in text(marketer_client, APP)

    RemoteObject.objects.filter(wanted_at__isnull=False).update(wanted_error=refusal)
    stripe.clear_faults()
    ConnectionStatus.objects.update(throttled_until=None)
    assert marketer_client.post(reverse("connections:read-again", args=[pk])).status_code == 302
    assert fetching.drain() == 1
    inbox.drain()
    assert TOLD not in text(marketer_client, APP) + text(marketer_client, WEBHOOKS)


def test_events_that_nobody_works_and_those_that_fail_say_so(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource], marketer_client: Client
) -> None:
    connect("customer")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    assert TOLD not in text(marketer_client, APP)
    hours_pass()
    worker_looked("inbox", timedelta(hours=2))
    page = text(marketer_client, APP)
    assert f"has {TOLD}" in page and "No worker has looked for 2 h at the inbox." in page and "Read again" not in page
    worker_looked("inbox", timedelta(0))
    assert "The workers are busy with other events" in text(marketer_client, WEBHOOKS)
    # One that a worker began, and never ended.
    InboundEvent.objects.update(state=State.RUNNING, lease_until=Now() - timedelta(hours=2))
    assert f"has {TOLD}" in text(marketer_client, APP)
    InboundEvent.objects.update(state=State.DUE, attempts=5, next_attempt_at=Now() + timedelta(hours=1))
    assert "What Millrace could not apply is tried again" in text(marketer_client, APP)
    InboundEvent.objects.update(state=State.DONE)
    assert TOLD not in text(marketer_client, APP) + text(marketer_client, WEBHOOKS)
