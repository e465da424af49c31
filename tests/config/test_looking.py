"""One look finds whatever is due, in every queue: else it would wait for the net of the timetable."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from automations import dispatch, engine, mail_news
from campaigns import sending
from common import looking
from common.origin import Origin
from config.celery import NET, app
from connections import fetching, historical, polling, stored_events, underived_pages
from connections.models import Connection, ConnectionStatus, InboundEvent, Resource, SyncWindow
from connections.sources.stripe import translate
from sandbox.stripe import Sandbox, SandboxAccount
from tests.automations.conftest import automation as automation
from tests.automations.conftest import on, person, step, tagged
from tests.campaigns.conftest import mail_server as mail_server
from tests.campaigns.conftest import make_campaign as make_campaign
from tests.campaigns.smtp import MailServer
from tests.connections.conftest import account as account
from tests.connections.conftest import connect as connect
from tests.connections.conftest import live_hook as live_hook
from tests.connections.conftest import stripe as stripe
from tests.connections.conftest import work
from tests.connections.test_guard import event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module", autouse=True)
def tasks_are_found() -> None:
    app.loader.import_default_modules()


def due() -> set[str]:
    """The tasks that a look at both queues rings, by name alone."""
    return {name.rpartition(".")[2] for queue in ("inbox", "stripe") for name in looking.due_tasks(queue)}


def test_nothing_is_due_where_nothing_is() -> None:
    assert due() == set()


def test_what_a_look_rings_is_rung_by_the_timetable_too() -> None:
    """A look that found too little would cost half a minute, and lose nothing."""
    net = {
        (entry["task"], entry["options"]["queue"])
        for entry in app.conf.beat_schedule.values()
        if entry["schedule"] == NET
    }
    for queue in ("inbox", "stripe"):
        assert looking.tasks(queue) and {(name, queue) for name in looking.tasks(queue)} <= net


def test_an_account_from_its_first_import_to_rest(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None
) -> None:
    account.play("subscribe", amount=2900, product="Mill Pro")
    stripe.discard()
    connect("subscription", sync="history_and_new")
    connect("invoice", sync="history_and_new")
    ConnectionStatus.objects.update(next_poll_at=Now() + timedelta(hours=1))
    assert due() == {"drain_history"}
    historical.drain()
    assert "rederive_due" in due() and "drain_history" not in due()
    underived_pages.drain()
    assert due() == {"fetch_wanted"}
    fetching.drain()
    # Its activities are old, and dispatched from the start.
    assert due() == set()
    # What happened before may be of the second in which the account was connected, or of the one before.
    account.play("subscribe", amount=4900, product="Mill Pro")
    stripe.discard()
    ConnectionStatus.objects.update(next_poll_at=Now())
    assert due() == {"poll_events"}
    polling.drain()
    assert "drain_inbox" in due() and "poll_events" not in due()
    work()
    assert due() == {"dispatch_activities"}


def test_events_are_due_again_when_their_worker_is_lost(connect: Callable[..., Resource]) -> None:
    connect("customer")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    ConnectionStatus.objects.update(next_poll_at=Now() + timedelta(hours=1))
    body = json.dumps(event(1, "customer.created", 1_700_000_000, id="cus_1", email="ada@mill.example")).encode()
    stored_events.store(Connection.objects.get(), translate.envelope(translate.parse(body)), body, Origin.WEBHOOK)
    assert due() == {"drain_inbox"}
    InboundEvent.objects.claim(1)
    assert due() == set()
    InboundEvent.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert due() == {"drain_inbox"}


def test_stretches_of_history_are_due_again_when_their_worker_is_lost(connect: Callable[..., Resource]) -> None:
    connect("customer", sync="history_and_new")
    ConnectionStatus.objects.update(next_poll_at=Now() + timedelta(hours=1))
    SyncWindow.objects.update(state="running", lease_until=Now() + timedelta(minutes=1))
    assert due() == set()
    SyncWindow.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert due() == {"drain_history"}


def test_what_happens_to_a_contact_until_its_mail_is_told_of(
    automation: Callable[..., Any], make_campaign: Any, mail_server: MailServer
) -> None:
    campaign = make_campaign(name="Welcome mail")
    automation(on("tag_added", tag="start"), [step("send_mail", 1, campaign=campaign.pk)])
    tagged(person("ana@example.com"), "start")
    for name, drain in (
        ("dispatch_activities", dispatch.drain),
        ("step_runs", engine.drain),
        ("send_mails", sending.drain),
        ("pull_mail_news", mail_news.drain),
    ):
        assert name in due()
        drain()
        assert name not in due()
