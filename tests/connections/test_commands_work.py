"""`work --until-idle` and `replay`: contract.md, “Commands”."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db.models.functions import Now

from common.due import State
from connections import inbox, replaying
from connections.models import (
    BulkReplay,
    Connection,
    ConnectionStatus,
    InboundEvent,
    RemoteObject,
    Resource,
    SyncLogEntry,
    SyncRun,
    SyncWindow,
)
from contacts import custom_fields
from contacts.models import Activity, Contact, CustomField
from sandbox.stripe import Sandbox, SandboxAccount

pytestmark = pytest.mark.django_db(transaction=True)

Connect = Callable[..., Resource]


def run(name: str, *options: str) -> str:
    out = StringIO()
    call_command(name, *options, stdout=out)
    return out.getvalue().strip()


def until_idle(*options: str) -> str:
    return run("work", "--until-idle", *options)


# --- work ---


def test_everything_due_is_worked_without_a_broker(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect, settings: Any
) -> None:
    """Inbox, wanted objects and history, in the foreground; exit 0 when idle."""
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    account.play("grow", count=120)
    stripe.discard()
    connect("customer", sync="history_and_new")
    custom_fields.add(CustomField(key="plan", label="Plan"))
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "field:plan"}]
    connect("subscription", rows=rows)
    account.subscribe(product="Pro plan")
    stripe.deliver()

    told = until_idle()

    assert SyncRun.objects.get().state == "done"
    assert not InboundEvent.objects.exclude(state__in=[State.DONE, State.IGNORED]).exists()
    assert not RemoteObject.objects.filter(wanted_at__isnull=False).exists()
    assert Contact.objects.filter(custom__plan="Pro plan").exists()
    assert "pages of history" in told and " 0 objects" not in told
    assert until_idle() == "0 events worked, 0 objects fetched, 0 pages of history."


def test_it_polls_only_when_asked_and_then_whenever_the_next_look_is_due(stripe: Sandbox, connect: Connect) -> None:
    shy = stripe.account("shy", local_webhooks=False)
    connect("customer", key=shy.key)
    later = ConnectionStatus.objects.update(next_poll_at=Now() + timedelta(hours=1))
    assert later == 1
    shy.create_customer(email="ada@mill.example", name="Ada Miller")

    until_idle()
    assert not Contact.objects.exists()
    assert until_idle("--poll").startswith("1 new events polled, 1 events worked")
    assert Contact.objects.get().first_name == "Ada"


def test_a_poll_that_is_told_to_wait_is_tried_again(stripe: Sandbox, connect: Connect) -> None:
    shy = stripe.account("shy", local_webhooks=False)
    connect("customer", key=shy.key)
    shy.create_customer(email="ada@mill.example")
    stripe.faults(status=429, path="/v1/events", count=1)
    until_idle("--poll")
    assert Contact.objects.exists()


def test_a_rate_limit_of_a_running_history_is_waited_for(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Connect
) -> None:
    account.play("grow", count=30)
    stripe.discard()
    connect("customer", sync="history_and_new")
    stripe.faults(status=429, path="/v1/customers", count=2)
    until_idle()
    assert SyncRun.objects.get().state == "done"
    assert [request["status"] for request in stripe.requests("/v1/customers")].count(429) == 2


def test_what_is_scheduled_for_later_does_not_count(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    connect("customer", sync="history_and_new")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    InboundEvent.objects.update(next_attempt_at=Now() + timedelta(hours=1))
    SyncWindow.objects.update(next_attempt_at=Now() + timedelta(hours=1))
    assert until_idle("--timeout", "20") == "0 events worked, 0 objects fetched, 0 pages of history."
    assert InboundEvent.objects.get().state == State.DUE


def test_a_paused_history_does_not_hold_it_up(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    connect("customer", sync="history_and_new")
    SyncRun.objects.update(state=SyncRun.State.PAUSED)
    until_idle("--timeout", "20")
    assert SyncRun.objects.get().state == "paused"


def test_what_others_have_claimed_is_waited_for(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    """Idle means that nothing is claimed by others either."""
    connect("customer")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    (claimed,) = InboundEvent.objects.claim(1)
    with pytest.raises(CommandError, match=r"Still busy after 0.3 seconds: 1 events"):
        until_idle("--timeout", "0.3")

    def other_worker() -> None:
        inbox.work([claimed])
        database.close()

    # The other worker ends while the command waits.
    other = threading.Timer(0.4, other_worker)
    other.start()
    until_idle("--timeout", "30")
    other.join()
    assert InboundEvent.objects.get().state == State.DONE
    assert Contact.objects.exists()


def test_a_dead_workers_claim_comes_back_and_is_worked(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    connect("customer")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    InboundEvent.objects.claim(1)
    InboundEvent.objects.update(lease_until=Now() - timedelta(seconds=1))
    until_idle()
    assert Contact.objects.exists()


def test_an_event_that_dies_meanwhile_is_a_reason(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    """Exit 1 with the reasons when something died during this call; not again at the next."""
    connect("customer")
    account.create_customer(email="ada@mill.example")
    stripe.deliver()
    InboundEvent.objects.update(body=b"{not json")
    with pytest.raises(CommandError, match=r"customer\.created evt_\w+ was set aside: "):
        until_idle()
    assert SyncLogEntry.objects.get().result == "dead"
    until_idle()


def test_a_failed_import_is_a_reason(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    connect("charge", sync="history_and_new")
    stripe.faults(status=400, path="/v1/charges", count=1000)
    with pytest.raises(CommandError, match=r"The history of Charge \(main\) failed: "):
        until_idle()
    until_idle()


def test_a_refused_key_is_a_reason(account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox) -> None:
    connect("customer")
    stripe.faults(status=401, path="/v1/events", count=1)
    with pytest.raises(CommandError, match="main: Stripe does not know this key"):
        until_idle("--poll")
    assert Connection.objects.get().state == "auth_failed"


def test_an_account_that_does_not_answer_the_poll_is_a_reason(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    connect("customer")
    stripe.faults(status=500, path="/v1/events", count=1000)
    with pytest.raises(CommandError, match="main could not be asked for new events"):
        until_idle("--poll", "--timeout", "3")


def test_without_waiting_it_does_what_is_due_and_ends(
    account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    connect("customer")
    for name in ("ada", "bob"):
        account.create_customer(email=f"{name}@mill.example")
    stripe.deliver()
    InboundEvent.objects.claim(1)
    assert run("work") == "1 events worked, 0 objects fetched, 0 pages of history."


# --- replay ---


@pytest.fixture
def three_events(
    account: SandboxAccount, live_hook: None, connect: Connect, deliver: Callable[[], Any]
) -> list[InboundEvent]:
    connect("customer")
    ada = account.create_customer(email="ada@mill.example")
    account.create_customer(email="bob@mill.example")
    account.update_customer(ada["id"], phone="+49 30 901820")
    deliver()
    return list(InboundEvent.objects.order_by("pk"))


def test_a_replay_is_dry_unless_told(three_events: list[InboundEvent]) -> None:
    """`replay [--event ID | --type T --since TIME]` (dry unless `--yes`)."""
    told = run("replay", "--type", "customer.created", "--since", "2020-01-01")
    assert told == "2 events would be applied again. Add --yes to do it."
    assert not InboundEvent.objects.exclude(replays=0).exists()


def test_a_replayed_event_is_applied_again_and_logged_again(three_events: list[InboundEvent]) -> None:
    before = Activity.objects.count()
    update = InboundEvent.objects.get(type="customer.updated")
    assert run("replay", "--event", update.event_id, "--yes") == "1 event will be applied again."
    until_idle()
    assert list(SyncLogEntry.objects.filter(event_id=update.event_id).values_list("via", flat=True)) == [
        "webhook",
        "replay",
    ]
    assert Activity.objects.count() == before


def test_a_replay_by_type_and_time(three_events: list[InboundEvent]) -> None:
    later = (three_events[0].occurred_at + timedelta(days=1)).isoformat()
    assert run("replay", "--type", "customer.created", "--since", later, "--yes").startswith("0 events")
    assert run("replay", "--type", "customer.created", "--yes") == "2 events will be applied again."
    assert InboundEvent.objects.filter(replays=1, state=State.DUE).count() == 2


def test_many_stand_behind_what_arrives_meanwhile(
    three_events: list[InboundEvent], account: SandboxAccount, stripe: Sandbox, monkeypatch: Any
) -> None:
    """More than a page is handed over page by page; `work --until-idle` is not idle before the last one."""
    monkeypatch.setattr(replaying, "PAGE", 1)
    assert run("replay", "--since", "2020-01-01", "--yes") == "3 events will be applied again."
    assert not InboundEvent.objects.exclude(state=State.DONE).exists()
    account.create_customer(email="cem@mill.example")
    stripe.deliver()
    until_idle()
    assert sorted(InboundEvent.objects.values_list("replays", "state")) == [(0, "done"), *[(1, "done")] * 3]
    newest = InboundEvent.objects.order_by("-pk")[0]
    assert SyncLogEntry.objects.filter(via="webhook").order_by("-pk")[0].inbound_id == newest.pk
    assert SyncLogEntry.objects.filter(via="replay").count() == 3
    assert BulkReplay.objects.get().finished_at


def test_events_without_a_body_stay_as_they_are(three_events: list[InboundEvent]) -> None:
    InboundEvent.objects.filter(pk=three_events[0].pk).update(body=None)
    told = run("replay", "--since", "2020-01-01", "--yes")
    assert told == "2 events will be applied again. 1 event stay as they are: no body is kept, or they are due anyway."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Name one event"),
        (("--event", "evt_1", "--type", "customer.created"), "Name one event"),
        (("--event", "evt_unknown"), "No connected account has brought the event evt_unknown"),
        (("--type", "customer.created", "--since", "yesterday"), "“yesterday” is no time"),
    ],
)
def test_a_replay_that_is_not_clear_is_refused(
    three_events: list[InboundEvent], options: tuple[str, ...], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        run("replay", *options)
