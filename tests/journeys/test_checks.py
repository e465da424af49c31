"""What people see of missed webhooks, the check against Stripe, and the replay of many events."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import api, checks, inbox, polling, reconcile, replaying
from connections.models import (
    BulkReplay,
    Connection,
    ConnectionStatus,
    InboundEvent,
    RemoteObject,
    Resource,
    SyncLogEntry,
)
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import account, connect, deliver, live_hook, stripe, work  # noqa: F401  (fixtures)
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)
SIZES = [{"width": 1440, "height": 900}, {"width": 390, "height": 844}]


def picture(page: Any, name: str) -> None:
    """Kept where PICTURES says, for whoever wants to look."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png", full_page=True)


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("size", SIZES, ids=["1440", "390"])
def test_lost_webhooks_and_a_repaired_object_are_told(
    open_page: Callable[..., Any],
    marketer: User,
    account: SandboxAccount,  # noqa: F811
    stripe: Sandbox,  # noqa: F811
    connect: Callable[..., Resource],  # noqa: F811
    deliver: Callable[[], Any],  # noqa: F811
    size: dict[str, int],
) -> None:
    connect("customer")
    connect("subscription")
    Resource.objects.update(since=Now() - timedelta(days=2))
    ada = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(ada["id"], amount=4900)
    deliver()
    account.create_customer(email="late@mill.example", name="Lata Late", at=int(time.time()) - 7200)
    stripe.discard()
    ConnectionStatus.objects.update(next_poll_at=Now(), events_seen_until=Now() - timedelta(hours=3))
    polling.drain()
    work()

    page = open_page(marketer, "/apps/stripe/", viewport=size)
    picture(page, "missed")
    page.get_by_text(re.compile("webhooks? of .* not arrive")).wait_for()
    expect(page.get_by_text("Time from Stripe to the contact")).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name="Look at the webhook").click()
    page.get_by_text("in 7 days").wait_for()

    # Somebody disables the endpoint at Stripe; the hour comes.
    connection = Connection.objects.get()
    api.client_of(connection).post(f"/v1/webhook_endpoints/{connection.endpoint_id}", disabled=True)
    ConnectionStatus.objects.update(next_check_at=Now())
    checks.drain()
    RemoteObject.objects.update(as_of=Now() - timedelta(days=1))
    account.alter(ada["id"], name="Ada Baker")
    page.reload()
    expect(page.get_by_text("It was disabled at Stripe.")).to_be_visible()
    page.get_by_role("button", name="Check now").click()
    page.get_by_text("Under way").wait_for()
    picture(page, "check-open")
    reconcile.drain()
    page.get_by_text("1 differed and was put right").wait_for()
    assert fits(page)
    picture(page, "check-done")
    page.get_by_role("link", name="Customer (1)").click()
    page.get_by_text("Customer from a check").wait_for()
    picture(page, "check-log")


@pytest.mark.parametrize("size", SIZES, ids=["1440", "390"])
def test_many_events_set_aside_are_replayed(
    open_page: Callable[..., Any],
    marketer: User,
    live_hook: None,  # noqa: F811
    connect: Callable[..., Resource],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    size: dict[str, int],
) -> None:
    monkeypatch.setattr(replaying, "PAGE", 30)
    resource = connect("customer")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    now = int(time.time())
    for number in range(70):
        body = {
            "id": f"evt_{number}",
            "type": "customer.created",
            "created": now,
            "data": {"object": {"id": f"cus_{number}", "object": "customer", "email": f"c{number}@mill.example"}},
        }
        event = InboundEvent.objects.create(
            connection=resource.connection,
            event_id=f"evt_{number}",
            via="webhook",
            type="customer.created",
            occurred_at=Now(),
            state="dead",
            body=json.dumps(body).encode(),
        )
        SyncLogEntry.objects.create(
            connection=resource.connection,
            inbound=event,
            via="webhook",
            event_id=event.event_id,
            event_type=event.type,
            result="dead",
            occurred_at=Now(),
        )
    page = open_page(marketer, "/apps/stripe/log/?result=dead", viewport=size)
    page.get_by_role("link", name="Replay these").click()
    page.get_by_text("The filter shows 70 events").wait_for()
    picture(page, "replay-ask")
    page.get_by_role("button", name="Replay 70 events").click()
    page.locator("span", has_text="0 of 70").wait_for()
    assert fits(page)
    picture(page, "replay-open")
    for _ in range(4):
        replaying.drain()
        inbox.drain()
        BulkReplay.objects.filter(finished_at=None).update(next_attempt_at=Now())
    page.locator("span", has_text="70 of 70").wait_for()
    page.get_by_text("Ended").wait_for()
    picture(page, "replay-done")
