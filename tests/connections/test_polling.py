"""The poll of events: a long list in slices that fit, kept as it goes; one that comes to nothing is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client

from connections import polling, setup
from connections.health import attention
from connections.models import Connection, ConnectionStatus, InboundEvent, Resource, SyncLogEntry
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_app_pages import APP, text

pytestmark = pytest.mark.django_db(transaction=True)
COUNT, PAGE = 3600, 100
DAY, BURST = 86_400, 600


class _Events(BaseHTTPRequestHandler):
    """Stripe's list of events, as long as one likes."""

    # `longest`: most events that one walk from the newest on has read.
    begin = written = under_way = longest = 0
    asked: list[dict[str, str]] = []
    meanwhile: Callable[[int], int] = staticmethod(lambda number: 200)

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.asked.append(asked)
        status = self.meanwhile(len(self.asked))
        body = json.dumps(self._page(asked) if status == 200 else {"error": {}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, asked: dict[str, str]) -> dict[str, Any]:
        since, until = int(asked["created[gte]"]), int(asked.get("created[lt]", 1 << 40))
        last = int(asked["starting_after"][4:]) if "starting_after" in asked else COUNT
        numbers = [n for n in range(last - 1, -1, -1) if since <= created(n) < until]
        data = [event(number) for number in numbers[:PAGE]]
        _Events.under_way = len(data) + ("starting_after" in asked) * _Events.under_way
        _Events.longest = max(_Events.longest, _Events.under_way)
        return {"object": "list", "data": data, "has_more": len(numbers) > PAGE}

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


def created(number: int) -> int:
    """Most of them happen within ten minutes in the middle of a day."""
    few = COUNT // 10
    if number < few:
        return _Events.begin + number * DAY // 2 // few
    if number >= COUNT - few:
        return _Events.begin + DAY // 2 + BURST + (number - COUNT + few) * DAY // 3 // few
    return _Events.begin + DAY // 2 + (number - few) * BURST // (COUNT - 2 * few)


def event(number: int) -> dict[str, Any]:
    about = {"id": f"cus_{number}", "object": "customer", "created": _Events.begin}
    head = {"id": f"evt_{number:06d}", "object": "event", "type": "customer.created", "created": created(number)}
    return head | {"livemode": True, "api_version": "2026-10-28.endive", "data": {"object": about}}


@pytest.fixture
def behind(settings: Any) -> Iterator[Connection]:
    """A connection that polls and has not looked for a day, in which a shop had its renewals."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Events)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    _Events.begin, _Events.asked, _Events.longest = int(time.time()) - DAY, [], 0
    _Events.meanwhile = staticmethod(lambda number: 200)
    settings.STRIPE_API_BASE = f"http://127.0.0.1:{server.server_port}"
    settings.STRIPE_RATE_LIMIT = 0
    begin = datetime.fromtimestamp(_Events.begin, UTC)
    connection = Connection.objects.create(account="acct_1", name="Behind", state="active", polls=True)
    connection.seal("api_key", "sk_live_none")
    connection.save()
    Resource.objects.create(connection=connection, kind="customer", sync="new_only", since=begin)
    ConnectionStatus.objects.create(connection=connection, events_seen_until=begin, polled_at=begin)
    yield connection
    server.shutdown()
    server.server_close()


def test_a_poll_over_a_long_list_keeps_what_it_read(behind: Connection) -> None:
    """Row 58: a burst in the gap. What was stored before Stripe went away is not asked for again; none is lost."""
    _Events.meanwhile = staticmethod(lambda number: 200 if number < 40 else 503)
    polling.poll(behind)
    status = ConnectionStatus.objects.get()
    before = InboundEvent.objects.count()
    assert 100 < before < COUNT and "cannot be reached" in status.poll_error
    assert _Events.longest <= 600, "never the whole list at once"
    assert status.events_seen_until > datetime.fromtimestamp(_Events.begin, UTC)
    assert status.next_poll_at > status.poll_moved_at, "nobody else walks meanwhile"
    assert set(InboundEvent.objects.values_list("event_id", flat=True)) == {f"evt_{n:06d}" for n in range(before)}

    _Events.meanwhile, _Events.asked = staticmethod(lambda number: 200), []
    ConnectionStatus.objects.update(throttled_until=None)
    polling.poll(behind)
    assert int(_Events.asked[0]["created[gte]"]) >= int((status.events_seen_until - polling.OVERLAP).timestamp())
    assert InboundEvent.objects.count() == COUNT
    in_turn = InboundEvent.objects.order_by("next_attempt_at", "pk").values_list("occurred_at", flat=True)
    assert list(in_turn) == sorted(in_turn)
    assert ConnectionStatus.objects.get().poll_error == ""


def test_a_poll_of_an_account_that_was_disconnected_meanwhile_stores_nothing(behind: Connection) -> None:
    """Row 65."""

    def disconnected(number: int) -> int:
        if number == 30:
            Connection.objects.update(state=Connection.State.DISCONNECTED, epoch=F("epoch") + 1)
            _Events.written = InboundEvent.objects.count()
            database.close()
        return 200

    _Events.meanwhile = staticmethod(disconnected)
    polling.poll(behind)
    assert 0 < InboundEvent.objects.count() == _Events.written < COUNT


def test_an_event_nobody_can_read_is_kept(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Its body stays for a person to look at, once, though each poll finds it again and a webhook brought it."""
    connect("customer")
    Connection.objects.update(polls=True)
    odd = account.emit("customer.updated", {"id": "cus_1", "object": "customer"})
    account.alter(odd["id"], data={"object": None})
    stripe.discard()
    for _ in range(2):
        polling.poll(Connection.objects.get())
    kept = InboundEvent.objects.get(event_id=odd["id"])
    assert (kept.state, kept.via, SyncLogEntry.objects.get(inbound=kept).result) == ("dead", "poll", "dead")
    assert odd["id"].encode() in bytes(kept.body)


@pytest.mark.parametrize(("polls", "hours"), [(True, 1), (False, 4)])
def test_a_poll_that_comes_to_nothing_is_told(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    marketer_client: Client,
    polls: bool,
    hours: int,
) -> None:
    """Row 50: the right to read events was taken away. Page, sidebar and /health/ say so, until it is back."""
    connect("customer")
    Connection.objects.update(polls=polls)
    stripe.faults(path="/v1/events", count=0, status=403, message="Having the 'rak_event_read' permission would do.")
    polling.poll(Connection.objects.get())
    told = "cannot read the events of"
    assert told not in text(marketer_client, APP) and attention(None) == 0, "once is nothing"

    ConnectionStatus.objects.update(poll_moved_at=Now() - timedelta(hours=hours))
    page = text(marketer_client, APP)
    assert told in page and "rak_event_read" in page and attention(None) == 1
    assert "rak_event_read" in text(marketer_client, "/apps/stripe/webhooks/")
    assert marketer_client.get("/health/").json()["checks"]["polling"] != "ok"

    stripe.clear_faults()
    # A new key may be all it takes: what the old one met is no news of it.
    setup.replace_key(Connection.objects.get(), account.key)
    assert told not in text(marketer_client, APP) and attention(None) == 0
    polling.poll(Connection.objects.get())
    assert told not in text(marketer_client, APP) and attention(None) == 0
    assert marketer_client.get("/health/").json()["checks"]["polling"] == "ok"


def test_a_clock_of_ours_that_is_late_does_not_have_everything_read_at_each_poll(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    connect("customer")
    Connection.objects.update(polls=True)
    Resource.objects.update(since=Now() - timedelta(days=2))
    stripe.set_clock(3600)
    account.create_customer(email="ada@mill.example")
    stripe.discard()
    polling.poll(Connection.objects.get())
    seen = ConnectionStatus.objects.get().events_seen_until
    assert seen and seen > datetime.now(UTC) + timedelta(minutes=50)
    stripe.clear_requests()
    polling.poll(Connection.objects.get())
    asked = [parse_qs(str(one["query"])) for one in stripe.requests("/v1/events")]
    since = int((seen - polling.OVERLAP).timestamp())
    assert asked and all(int(one["created[gte]"][0]) >= since - 1 for one in asked)


@pytest.mark.parametrize("ran_ahead_before", [False, True])
def test_an_event_dated_ahead_of_now_does_not_blind_the_poll(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    ran_ahead_before: bool,
) -> None:
    """Row 58: as Stripe's test clocks make them. A watermark that stands in the future already comes back."""
    connect("customer")
    Connection.objects.update(polls=True)
    account.create_customer(email="ahead@mill.example", at=int(time.time()) + 40 * DAY)
    stripe.discard()
    polling.poll(Connection.objects.get())
    account.create_customer(email="now@mill.example", at=int(time.time()))
    stripe.discard()
    if ran_ahead_before:
        Resource.objects.update(since=Now() - timedelta(hours=2))
        account.create_customer(email="missed@mill.example", at=int(time.time()) - 3600)
        stripe.discard()
        ConnectionStatus.objects.update(events_seen_until=Now() + timedelta(days=40))

    for _ in range(2):
        polling.poll(Connection.objects.get())
    bodies = b"".join(bytes(body) for body in InboundEvent.objects.values_list("body", flat=True))
    assert b"now@mill.example" in bodies
    assert (b"missed@mill.example" in bodies) is ran_ahead_before
    assert ConnectionStatus.objects.get().events_seen_until <= datetime.now(UTC) + timedelta(minutes=1)
