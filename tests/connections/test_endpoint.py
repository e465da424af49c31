"""The public endpoint: what it takes, what it refuses, and that nothing taken is lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client

from connections import inbox, setup
from connections.models import Connection, InboundEvent, Resource, SyncLogEntry
from contacts.models import Contact
from tests.connections.test_guard import event

pytestmark = pytest.mark.django_db(transaction=True)
Post = Callable[..., int]


@pytest.fixture
def connection(live_hook: None, connect: Callable[..., Resource]) -> Connection:
    resource = connect("customer")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    return Connection.objects.get(pk=resource.connection_id)


@pytest.fixture
def post(connection: Connection, anybody: Client) -> Post:
    """post(body, …): a delivery signed with the endpoint's secret unless a header is given; the answer's status."""

    def send(body: bytes | dict[str, Any], *, header: str | None = None, at: int = 0, **extra: Any) -> int:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if header is None:
            header = sign(connection, raw, at)
        return anybody.post(
            connection.hook_path, raw, content_type="application/json", headers={"Stripe-Signature": header}, **extra
        ).status_code

    return send


def sign(connection: Connection, raw: bytes, at: int = 0) -> str:
    secret = connection.open("webhook_secret")
    assert secret
    import hashlib
    import hmac

    moment = at or int(time.time())
    mac = hmac.new(secret.open().encode(), f"{moment}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


def test_a_signed_event_is_stored_and_answered(post: Post) -> None:
    assert post(event(1, "customer.created", int(time.time()))) == 200
    assert InboundEvent.objects.get().state == "due"


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", "t=,v1=", "v1=abc", "t=1790000000", "t=NOW,v0=abc", "t=1,v1=" + "a" * 9000],
)
def test_a_forged_delivery_is_refused_and_leaves_nothing(post: Post, header: str) -> None:
    header = header.replace("NOW", str(int(time.time())))
    assert post(event(1, "customer.created", int(time.time())), header=header) == 400
    assert not InboundEvent.objects.exists()


def test_old_signatures_are_refused(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells them from forged ones: maybe it is our clock."""
    now = int(time.time())
    assert post(event(1, "customer.created", now), at=now - 290) == 200
    assert post(event(2, "customer.created", now), at=now - 310) == 400
    assert "clock is wrong" in caplog.text and "not signed by Stripe" not in caplog.text
    caplog.clear()
    assert post(event(2, "customer.created", now), header=f"t={now - 310},v1={'0' * 64}") == 400
    assert "not signed by Stripe" in caplog.text and "clock" not in caplog.text


def test_a_header_with_two_signatures_one_right(post: Post, connection: Connection) -> None:
    raw = json.dumps(event(1, "customer.created", int(time.time()))).encode()
    good = sign(connection, raw)
    moment, mac = good.split(",")
    assert post(raw, header=f"{moment},v1={'0' * 64},{mac}") == 200


def test_the_secret_before_the_last_works_for_a_day(post: Post, connection: Connection) -> None:
    raw = json.dumps(event(1, "customer.created", int(time.time()))).encode()
    header = sign(connection, raw)
    old = connection.open("webhook_secret")
    assert old
    connection.seal("previous_secret", old.open())
    connection.seal("webhook_secret", "whsec_another")
    connection.previous_secret_until = "2999-01-01T00:00:00Z"  # type: ignore[assignment]
    connection.save()
    assert post(raw, header=header) == 200
    Connection.objects.update(previous_secret_until="2020-01-01T00:00:00Z")
    assert post(json.dumps(event(2, "customer.created", 1)).encode(), header=header) == 400


def test_unknown_address_and_disconnected_account(post: Post, connection: Connection, anybody: Client) -> None:
    """A086."""
    assert anybody.post("/hooks/stripe/no-such-token/", b"{}", content_type="application/json").status_code == 404
    assert anybody.get(connection.hook_path).status_code == 405
    raw = json.dumps(event(1, "customer.created", int(time.time()))).encode()
    header = sign(connection, raw)
    setup.disconnect(connection)
    assert post(raw, header=header) == 410
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"[" * 100_000,
        b'{"id": "evt_1", "type": "customer.created", "created": NaN, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "customer.created", "created": ' + b"9" * 5000 + b', "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "customer.created", "data": {"object": {}}}',
        b'{"id": 7, "type": "customer.created", "created": 1790000000, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "customer.created", "created": 1790000000, "data": {"object": []}}',
    ],
)
def test_a_signed_body_nobody_can_read_is_kept_and_shown(post: Post, body: bytes) -> None:
    """Rows 19 and 20: set aside with its body, answered 200 so that it is not sent for three days."""
    assert post(body) == 200
    kept = InboundEvent.objects.get()
    assert (kept.state, bytes(kept.body)) == ("dead", body)
    assert SyncLogEntry.objects.get().result == "dead"
    assert post(body) == 200
    assert InboundEvent.objects.count() == 1


def test_a_body_that_is_not_text_is_refused(post: Post) -> None:
    assert post(b"\xff\xfe{}") == 400


def test_another_mode_or_account_is_refused(post: Post) -> None:
    """Row 15."""
    now = int(time.time())
    assert post(event(1, "customer.created", now, livemode=False)) == 400
    assert post(event(2, "customer.created", now) | {"account": "acct_other"}) == 400
    assert not InboundEvent.objects.exists()


def test_ten_megabytes_are_refused_unread(post: Post) -> None:
    assert post(b" " * 10_000_000) == 413


def test_the_same_event_from_twenty_threads_is_one_row(connection: Connection) -> None:
    """Row 2: twenty answers of 200, one row."""
    raw = json.dumps(event(1, "customer.created", int(time.time()))).encode()
    header = sign(connection, raw)
    barrier = threading.Barrier(20)
    answers: list[int] = []

    def deliver() -> None:
        barrier.wait(10)
        answers.append(
            Client()
            .post(
                connection.hook_path,
                raw,
                content_type="application/json",
                headers={"Stripe-Signature": header},
            )
            .status_code
        )
        database.close()

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [200] * 20
    assert InboundEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("A\x00da Mi\ud800ller", "A\ufffdda", "Mi\ufffdller"),
        ("x" * 300, "x" * 255, ""),
        ("<script>alert(1)</script> {{7*7}}", "<script>alert(1)</script>", "{{7*7}}"),
        ("=HYPERLINK(1) Ada", "=HYPERLINK(1)", "Ada"),
        ("\u202eAda 👩‍🚀", "\u202eAda", "👩‍🚀"),
    ],
)
def test_hostile_names_stop_nobody(post: Post, name: str, first: str, last: str) -> None:
    """Row 24: NUL and lone surrogates become U+FFFD, long text is cut, the others go on."""
    now = int(time.time())
    assert post(event(1, "customer.created", now, id="cus_odd", email="odd@mill.example", name=name)) == 200
    assert post(event(2, "customer.created", now)) == 200
    inbox.drain()
    odd = Contact.objects.get(email="odd@mill.example")
    assert (odd.first_name, odd.last_name) == (first, last)
    assert Contact.objects.filter(email="ada@mill.example").exists()


def test_odd_shapes_stop_nobody(post: Post) -> None:
    """Unknown enums, moved and missing fields, numbers where text is expected: applied as far as they go."""
    now = int(time.time())
    assert post(event(1, "customer.created", now, name=7, phone={"a": 1}, email=["x"], shipping="none")) == 200
    assert post(event(2, "customer.created", now, id="cus_2", email="two@mill.example", tax_exempt="brand_new")) == 200
    inbox.drain()
    assert set(InboundEvent.objects.values_list("state", flat=True)) == {"done"}
    assert Contact.objects.get().email == "two@mill.example"


def test_a_record_without_an_address_says_so(post: Post) -> None:
    """A062."""
    assert post(event(1, "customer.created", int(time.time()), email=None)) == 200
    inbox.drain()
    entry = SyncLogEntry.objects.get()
    assert (entry.result, entry.reason) == ("skipped", "the mapped email is empty")
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    ("type_", "reason"),
    [("charge.succeeded", "resource disconnected"), ("issuing_card.created", "not supported")],
)
def test_events_nobody_asked_for_are_ignored_openly(post: Post, type_: str, reason: str) -> None:
    """A009 A030 A080: 200, “ignored” with the reason, and the body is not kept."""
    assert post(event(1, type_, int(time.time()))) == 200
    inbox.drain()
    entry = SyncLogEntry.objects.get()
    assert (entry.result, entry.reason) == ("ignored", reason)
    assert InboundEvent.objects.get().body is None


def test_events_from_before_the_connection_are_ignored(post: Post) -> None:
    Resource.objects.update(since="2030-01-01T00:00:00Z")
    post(event(1, "customer.created", int(time.time())))
    inbox.drain()
    assert SyncLogEntry.objects.get().reason == "from before this resource was connected"
