"""Stripe slow, broken, or turning in circles while events come in (rows 51, 52, 55)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db.models.functions import Now

from connections import fetching, historical, inbox, polling, reconcile
from connections.models import Connection, ConnectionStatus, InboundEvent, RemoteObject, Resource, SyncRun, SyncWindow
from connections.sources.base import SourceError
from connections.sources.stripe.client import Client
from contacts.models import Contact
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import account, connect, live_hook, stripe  # noqa: F401  (fixtures)
from tests.faults.audit import assert_clean

pytestmark = pytest.mark.django_db(transaction=True)
CIRCLE = [
    [
        {"id": "cus_3", "object": "customer", "created": 1_790_000_003},
        {"id": "cus_2", "object": "customer", "created": 1_790_000_002},
    ],
    [
        {"id": "cus_1", "object": "customer", "created": 1_790_000_001},
        {"id": "cus_0", "object": "customer", "created": 1_790_000_000},
    ],
]


class _Circle(BaseHTTPRequestHandler):
    """Two pages that follow each other for ever."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        after = parse_qs(urlsplit(self.path).query).get("starting_after", [""])[0]
        page = CIRCLE[1] if after == "cus_2" else CIRCLE[0]
        body = json.dumps({"object": "list", "data": page, "has_more": True}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def circle() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Circle)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    _Circle.asked = 0
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_history_that_turns_in_circles_ends(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    circle: str,
    settings: Any,
) -> None:
    """Row 55: pages that are no repetition of the last one, but of the one before."""
    run = connect("customer", sync="history_and_new").runs.get()
    SyncWindow.objects.exclude(pk=run.windows.order_by("-ends_at")[0].pk).delete()
    SyncWindow.objects.update(starts_at="2026-01-01T00:00:00Z")
    settings.STRIPE_API_BASE = circle
    historical.drain(seconds=20)
    run.refresh_from_db()
    assert (run.state, _Circle.asked) == ("failed", 3)
    assert "repeats a page" in run.message


def test_a_check_that_turns_in_circles_ends(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    circle: str,
    settings: Any,
) -> None:
    (run,) = reconcile.start(connect("customer").connection, full=True)
    newest = run.windows.filter(listing="customer").order_by("-ends_at")[0]
    run.windows.exclude(pk=newest.pk).delete()
    run.windows.update(starts_at="2026-01-01T00:00:00Z")
    settings.STRIPE_API_BASE = circle
    reconcile.drain(seconds=2)
    run.refresh_from_db()
    assert (run.state, _Circle.asked) == ("partly_failed", 3)
    assert "repeats a page" in run.message


def test_a_poll_that_turns_in_circles_is_told(circle: str, settings: Any) -> None:
    settings.STRIPE_API_BASE = circle
    with pytest.raises(SourceError, match="repeats a page"):
        list(Client("sk_test_none").pages("/v1/events"))
    assert _Circle.asked == 3


def test_a_limit_that_lasts_costs_no_attempt(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Row 51: thirty refusals in a row, with and without a time to wait; then the import is whole."""
    for number in range(20):
        account.create_customer(email=f"c{number}@mill.example")
    stripe.discard()
    run = connect("customer", sync="history_and_new").runs.get()
    SyncWindow.objects.exclude(pk=run.windows.order_by("-ends_at")[0].pk).delete()
    stripe.faults(path="/v1/customers", status=429, count=15)
    stripe.faults(path="/v1/customers", status=429, count=15, retry_after="2")
    stripe.clear_requests()
    for _ in range(40):
        before = len(stripe.requests("/v1/customers"))
        historical.drain()
        assert len(stripe.requests("/v1/customers")) - before <= 1, "the whole connection waits after a refusal"
        ConnectionStatus.objects.update(throttled_until=None)
        SyncWindow.objects.filter(state="due").update(next_attempt_at=Now())
    run.refresh_from_db()
    assert (run.state, run.listed, SyncWindow.objects.get().attempts) == ("done", 20, 0)
    # Their events are of the second in which the account was connected, and were not delivered.
    polling.poll(Connection.objects.get())
    inbox.drain()
    assert_clean(account)


@pytest.mark.parametrize("fault", [{"status": 503}, {"hang": True}, {"html": True}, {"cut": True}])
def test_events_are_applied_while_stripe_is_away(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    fault: dict[str, Any],
) -> None:
    """Row 52: what needs Stripe waits, what does not is done; afterwards nothing is missing."""
    run = connect("customer", sync="history_and_new").runs.get()
    connect("charge")
    known = account.create_customer(email="known@mill.example")
    stripe.deliver()
    inbox.drain()
    stripe.set_clock(-90)
    stranger = account.create_customer(email="stranger@mill.example")
    account.charge(stranger["id"], amount=100, currency="eur")
    stripe.discard()
    stripe.set_clock(2)
    stripe.faults(path="/v1/", count=0, **fault)
    for number in range(5):
        account.update_customer(known["id"], phone=str(number))
    account.charge(stranger["id"], amount=200, currency="eur")
    stripe.deliver()
    polling.soon(Connection.objects.get())
    for drain in (polling.drain, inbox.drain, fetching.drain, historical.drain):
        drain()
    assert Contact.objects.get(email="known@mill.example").phone == "4"
    assert set(InboundEvent.objects.values_list("state", flat=True)) <= {"done", "ignored", "waiting"}
    run.refresh_from_db()
    assert run.is_open and Connection.objects.get().state == "active"

    stripe.clear_faults()
    ConnectionStatus.objects.update(throttled_until=None, next_poll_at=Now())
    RemoteObject.objects.filter(wanted_at__isnull=False).update(wanted_at=Now())
    for _ in range(40):
        SyncWindow.objects.filter(state="due").update(next_attempt_at=Now())
        polling.drain()
        inbox.drain()
        fetching.drain()
        historical.drain()
    run.refresh_from_db()
    assert run.state == "done"
    assert set(InboundEvent.objects.values_list("state", flat=True)) <= {"done", "ignored"}
    assert Contact.objects.filter(email="stranger@mill.example").count() == 1
    assert SyncRun.objects.count() == 1
    assert_clean(account)
