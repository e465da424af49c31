"""What the endpoint is asked to send: more after an upgrade; of what is chosen later nothing of the past."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from common.due import State
from connections import api, checks, polling, setup, stored_events
from connections.models import Connection, ConnectionStatus, InboundEvent, Resource, SyncLogEntry
from contacts.models import Activity
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
EARLIER = timedelta(minutes=40)


def test_the_hourly_check_brings_new_supporting_events_to_the_endpoint(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource]
) -> None:
    connect("charge")
    connection = Connection.objects.get()
    older = [type_ for type_ in connection.endpoint_events if not type_.startswith("refund.")]
    assert len(older) == len(connection.endpoint_events) - 3
    api.client_of(connection).post(f"/v1/webhook_endpoints/{connection.endpoint_id}", enabled_events=older)
    Connection.objects.update(endpoint_events=older)
    ConnectionStatus.objects.update(next_check_at=Now(), mended_at=None)
    assert checks.drain() == 1
    [endpoint] = account.objects("webhook_endpoint")
    assert endpoint["id"] == connection.endpoint_id
    assert {"refund.created", "refund.updated", "refund.failed"} < set(endpoint["enabled_events"])
    # Nobody had done anything to it.
    assert ConnectionStatus.objects.get().mended_at is None


def _the_last_poll_was_an_hour_ago() -> None:
    Resource.objects.update(since=Now() - timedelta(hours=2))
    ConnectionStatus.objects.update(events_seen_until=Now() - timedelta(hours=1), next_poll_at=Now())


def test_what_happened_before_a_resource_was_added_is_no_missed_webhook(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Only what the endpoint was asked for at that time, and did not bring, is missed."""
    connect("customer")
    _the_last_poll_was_an_hour_ago()
    earlier = int(time.time() - EARLIER.total_seconds())
    account.charge(receipt_email="early@mill.example", at=earlier)
    account.create_customer(email="lost@mill.example", at=earlier)
    stripe.discard()
    connect("charge")
    polling.drain()
    assert InboundEvent.objects.get().type == "customer.created"
    assert ConnectionStatus.objects.get().missed_webhooks == 1


@pytest.mark.parametrize("polls", [False, True])
def test_what_happened_before_an_event_was_switched_on_starts_nothing(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource], polls: bool
) -> None:
    """Whether Stripe sends events or is asked for them: each applies from the moment on when it was switched on."""
    resource = connect("charge")
    Connection.objects.update(polls=polls)
    _the_last_poll_was_an_hour_ago()
    resource.refresh_from_db()
    earlier = int(time.time() - EARLIER.total_seconds())
    charge = account.charge(receipt_email="early@mill.example", at=earlier)
    changes = {"description": "early"}
    account.play("alter", object=charge["id"], event="charge.captured", changes=changes, at=earlier)
    assert "charge.captured" not in resource.events
    stripe.discard()
    setup.change_resource(resource, events=[*resource.events, "charge.captured"], data=resource.data)
    Connection.objects.update(polls=polls)
    work()
    told = SyncLogEntry.objects.filter(event_type="charge.captured")
    assert [entry.result for entry in told] == (["ignored"] if polls else [])
    assert not Activity.objects.filter(kind__contains="captured").exists()
    # From then on it does.
    account.alter(charge["id"], event="charge.captured", description="captured")
    ConnectionStatus.objects.update(next_poll_at=Now())
    stripe.discard()
    work()
    assert told.exclude(result="ignored").count() == 1
    # Off and on again, it has a new beginning; what stays on keeps its own.
    begun = dict(resource.events_since)
    setup.change_resource(resource, events=[*resource.events, "charge.expired"], data=resource.data)
    assert resource.events_since["charge.captured"] == begun["charge.captured"]
    setup.change_resource(resource, events=["charge.succeeded"], data=resource.data)
    assert Resource.objects.get().events_since == {}


def test_what_was_wanted_once_keeps_its_payload_when_its_event_is_switched_off_and_on(
    account: SandboxAccount, deliver: Callable[[], object], connect: Callable[..., Resource]
) -> None:
    """Off, a replay applies nothing and loses nothing; on again, replays and tries of what was wanted are applied."""
    resource = connect("customer", types=["customer.created", "customer.updated"])
    ada = account.create_customer(email="ada@mill.example")
    account.update_customer(ada["id"], phone="+49 30 901820")
    deliver()
    update = InboundEvent.objects.get(type="customer.updated")
    told = SyncLogEntry.objects.filter(event_id=update.event_id)
    setup.change_resource(resource, events=["customer.created"], data=resource.data)
    assert stored_events.replay([update]) == 1
    work()
    update.refresh_from_db()
    assert (update.state, bool(update.body)) == (State.IGNORED, True)
    # Stripe tells whole seconds: the beginning is put clearly behind what happened.
    setup.change_resource(resource, events=["customer.created", "customer.updated"], data=resource.data)
    begun = int(update.received_at.timestamp()) + 2
    Resource.objects.update(events_since={"customer.updated": begun})
    assert stored_events.replay([update]) == 1
    work()
    update.refresh_from_db()
    assert (update.state, bool(update.body)) == (State.DONE, True)
    # What failed, or waited for an object, when it was switched off.
    for kept in ({"attempts": 2}, {"waits_for": [f"customer:{ada['id']}"]}):
        again = {"state": State.DUE, "replays": 0, "attempts": 0, "waits_for": [], "next_attempt_at": Now()}
        told.delete()
        InboundEvent.objects.filter(pk=update.pk).update(**(again | kept))
        work()
        update.refresh_from_db()
        assert (update.state, bool(update.body)) == (State.DONE, True)
    # One that nobody had wanted is not made wanted, and not kept.
    told.delete()
    InboundEvent.objects.filter(pk=update.pk).update(**again)
    work()
    update.refresh_from_db()
    assert (update.state, update.body) == (State.IGNORED, None)
