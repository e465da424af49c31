"""History under fire: every fault repeats at most a page, and the end state is honest (reliability rows 49 to 56)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from common.due import State
from connections import (
    fetching,
    historical,
    history_ends,
    history_walk,
    history_windows,
    idle,
    inbox,
    setup,
    unread,
)
from connections.health import attention
from connections.history_pages import refuse_repetition
from connections.models import Connection, ConnectionStatus, RemoteObject, Resource, SyncLogEntry, SyncRun, SyncWindow
from connections.sources.base import SourceError
from contacts.models import Activity, Contact, ContactTag
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.imports import Start, audit, walk, walk_in_threads
from tests.live import CeleryWorker
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_history_starts_no_automation_and_adds_one_tag(start: Start) -> None:
    run = walk(start(30))
    audit(run, 30)
    assert not Activity.objects.filter(dispatched_at__isnull=True).exists()
    assert not Activity.objects.filter(kind="source.event").exists()
    assert set(ContactTag.objects.values_list("tag__name", flat=True)) == {"stripe-integration"}


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "count": 3},
        {"status": 429, "count": 2, "retry_after": "30"},
        {"status": 500, "count": 3},
        {"status": 503, "count": 2},
        {"cut": True, "count": 2},
        {"html": True, "count": 2},
        {"hang": True, "count": 2},
    ],
    ids=["429", "429 with Retry-After", "500", "503", "half a page", "a page of HTML", "no answer"],
)
def test_a_fault_is_waited_out(start: Start, stripe: Sandbox, fault: dict[str, Any]) -> None:
    run = start()
    stripe.faults(path="/v1/customers", skip=5, **fault)
    historical.drain()
    run.refresh_from_db()
    assert (run.state, bool(run.message)) == ("waiting", True)
    audit(walk(run), 230)


def test_a_cursor_object_that_vanishes_leaves_no_gap(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Row 54: the window goes on from the second of the object that is gone, and counts nobody of it twice."""
    long_ago = int(time.time()) - 100 * 86_400
    for number in range(130):
        account.create_customer(email=f"c{number}@mill.example", name=f"C {number}", at=long_ago + number // 2)
    run = connect("customer", sync="history_and_new").runs.get()
    while not SyncWindow.objects.exclude(after_id="").filter(state=State.DUE).exists():
        historical.drain(seconds=0.001)
    window = SyncWindow.objects.exclude(after_id="").get(state=State.DUE)
    account.delete_customer(window.after_id)
    stripe.discard()
    audit(walk(run), 130)


def test_a_refused_key_holds_the_import_and_a_new_key_goes_on(
    start: Start, stripe: Sandbox, account: SandboxAccount
) -> None:
    """Row 49."""
    run = start()
    stripe.faults(path="/v1/customers", skip=8, status=401, count=1)
    historical.drain()
    run.refresh_from_db()
    connection = Connection.objects.get()
    assert connection.state == "auth_failed" and connection.error
    assert run.state == "waiting" and run.seen < 230
    setup.replace_key(connection, account.new_key("secret", label="second"))
    audit(walk(run), 230)


def test_a_missing_right_holds_the_import_until_the_key_has_it(
    start: Start, stripe: Sandbox, account: SandboxAccount, connect: Callable[..., Resource]
) -> None:
    """Row 50: told with its name; others go on, and so does it once somebody has added the right."""
    run, other = start(20), connect("charge", sync="history_and_new").runs.get()
    message = "Having the 'rak_customer_read' permission would allow this request to continue."
    stripe.faults(path="/v1/customers", skip=4, status=403, count=0, message=message)
    historical.drain()
    stripe.clear_requests()
    other = walk(other)
    run.refresh_from_db()
    assert (run.state, other.state) == ("waiting", "done")
    assert "rak_customer_read" in run.message and "rak_customer_read" in run.resource.error
    assert attention(None) == 1 and "rak_customer_read" in idle.work().reasons[0]  # type: ignore[arg-type]
    # Its windows wait together: each look costs as many refusals as are walked at once.
    assert historical.drain() == 0
    assert len(stripe.requests("/v1/customers")) <= 2 * history_windows.WALKED_BY_ONE
    stripe.clear_faults()
    assert historical.pause(run) and historical.resume(run)
    historical.drain()
    run.refresh_from_db()
    audit(run, 20)
    assert Resource.objects.get(kind="customer").error == "" and attention(None) == 0  # type: ignore[arg-type]


def test_stripe_may_be_away_for_days(start: Start, stripe: Sandbox) -> None:
    """Row 52: it is asked again each minute, however often it did not answer."""
    run = start(3)
    SyncWindow.objects.update(attempts=10)
    stripe.faults(path="/v1/customers", status=503, count=1)
    historical.drain()
    soon = SyncWindow.objects.filter(last_error_code="unavailable", next_attempt_at__lte=Now() + timedelta(minutes=1))
    assert soon.filter(state=State.DUE).count() == 1
    audit(walk(run), 3)


def test_an_endless_list_ends() -> None:
    """Row 55: a repeated page stops the window with a reason instead of going round."""
    with pytest.raises(SourceError) as stopped:
        refuse_repetition([{"id": "cus_1"}], True, "cus_1")
    assert stopped.value.permanent


def test_history_and_live_events_race_to_the_newest_state(
    start: Start, stripe: Sandbox, account: SandboxAccount
) -> None:
    """Row 56: customers changed while the import runs end as Stripe has them."""
    run = start(120)
    customers = account.objects("customer")
    historical.drain(seconds=0.001)
    for customer in customers[::3]:
        account.update_customer(customer["id"], phone=f"new {customer['id'][-4:]}")
    walk(run)
    stripe.deliver()
    from tests.connections.conftest import work

    work()
    wanted = {c["id"]: (c["phone"] or "") for c in account.objects("customer") if c["email"]}
    held = {
        identity.external_id: contact.phone
        for contact in Contact.objects.prefetch_related("identities")
        for identity in contact.identities.all()
    }
    assert held == wanted


def test_two_workers_walk_one_import_without_doubling(start: Start) -> None:
    run = start(300)
    walk_in_threads(4)
    audit(walk(run), 300)


def test_two_windows_that_need_the_same_product_wait_for_each_other(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Objects behind ids are shared between windows: who comes second finds the first one's row."""
    product = account.play("add_product", name="Mill Pro")
    price = account.play("add_price", product=product["id"], unit_amount=900, currency="eur", interval="month")
    now = int(time.time())
    for number in range(40):
        account.subscribe(None, prices=[price["id"]], at=now - number * 20 * 86_400 - 90_000)
    stripe.discard()
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "phone"}]
    run = connect("subscription", sync="history_and_new", rows=rows).runs.get()
    walk_in_threads(4)
    run = walk(run)
    assert (run.state, run.failed) == ("done", 0)
    assert RemoteObject.objects.filter(type="product").count() == 1
    assert set(Contact.objects.values_list("phone", flat=True)) == {"Mill Pro"}


def test_an_object_that_is_refused_holds_up_no_window(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """The record comes in without it and its log row says so; the object is set aside, to be read again."""
    now = int(time.time())
    products = [account.play("add_product", name=name) for name in ("Mill Pro", "Mill Max")]
    for number in range(40):
        # Only the first subscription has the second product.
        product = products[number == 39]
        price = account.play("add_price", product=product["id"], unit_amount=900, currency="eur", interval="month")
        account.subscribe(None, prices=[price["id"]], at=now - number * 20 * 86_400 - 90_000)
    stripe.discard()
    stripe.faults(path=f"/v1/products/{products[1]['id']}", status=400, count=0)
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "phone"}]
    run = connect("subscription", sync="history_and_new", rows=rows).runs.get()
    run = walk(run)
    assert (run.state, run.failed, run.seen, run.listed) == ("done", 0, 40, 40)
    told = [str(entry.warnings) for entry in SyncLogEntry.objects.filter(run=run)]
    missing = f"Not read yet, so left empty: product:{products[1]['id']}."
    assert (len(told), sum(missing in one for one in told)) == (40, 1)
    assert sorted(Contact.objects.values_list("phone", flat=True)) == ["", *["Mill Pro"] * 39]
    fetching.drain()
    assert unread.refused().get().external_id == products[1]["id"]
    stripe.clear_faults()
    assert unread.ask_again(run.resource.connection) == 1
    fetching.drain()
    assert not unread.refused().exists()


def test_what_is_refused_again_and_again_is_asked_for_three_times_a_page(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """A fault that all products have is no matter of each of them: the records come in, with few requests."""
    now = int(time.time())
    for number in range(12):
        product = account.play("add_product", name=f"Mill {number}")
        price = account.play("add_price", product=product["id"], unit_amount=900, currency="eur", interval="month")
        account.subscribe(None, prices=[price["id"]], at=now - 90_000 - number)
    stripe.discard()
    stripe.faults(path="/v1/products/", status=400, count=0)
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "phone"}]
    run = connect("subscription", sync="history_and_new", rows=rows).runs.get()
    stripe.clear_requests()
    run = walk(run)
    assert (run.state, run.failed, run.seen, run.listed) == ("done", 0, 12, 12)
    assert len(stripe.requests("/v1/products/")) == 3
    assert Contact.objects.filter(phone="").count() == 12


def last_try(run: SyncRun, polled: timedelta) -> SyncWindow:
    """The oldest window's next try, `polled` after a poll was last answered; the others are not due."""
    oldest = run.windows.earliest("pk").pk
    run.windows.exclude(pk=oldest).update(next_attempt_at=Now() + timedelta(hours=1))
    run.windows.filter(pk=oldest).update(next_attempt_at=Now())
    ConnectionStatus.objects.update(throttled_until=None, polled_at=Now() - polled)
    historical.drain()
    return run.windows.get(pk=oldest)


def test_a_page_that_alone_gets_no_answer_is_set_aside_in_the_end(
    start: Start, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest comes in, and the end says what is missing."""
    monkeypatch.setattr(history_ends, "ENOUGH", 6)
    run = start(5)
    stripe.faults(path="/v1/customers", status=500, count=0)
    told = [last_try(run, timedelta(hours=1)).state for _ in range(6)]
    assert told == [*[State.DUE] * 5, State.DEAD]
    stripe.clear_faults()
    run = walk(run)
    assert run.state == "partly_failed" and "however often it was asked, though it answers other" in run.message


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 200, "html": True}], ids=["500", "a page of HTML"])
def test_however_long_stripe_was_away_the_next_fault_is_its_first(
    start: Start, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    """Also where the rate limit came between, or another window's refusal."""
    monkeypatch.setattr(history_ends, "ENOUGH", 6)
    run = start(5)
    stripe.faults(path="/v1/customers", status=503, count=0)
    # While the last answer to a poll is less than an hour old nobody knows that all of Stripe is away.
    assert [last_try(run, timedelta(hours=hours)).state for hours in (1, 1, 1, *[3] * 9)] == [State.DUE] * 12
    stripe.clear_faults()
    stripe.faults(path="/v1/customers", status=429, count=1)
    assert last_try(run, timedelta()).state == State.DUE
    stripe.clear_faults()
    stripe.faults(path="/v1/customers", count=1, **fault)
    window = last_try(run, timedelta())
    assert (window.state, window.unanswered) == (State.DUE, "html" not in fault)
    audit(walk(run), 5)


def test_tries_before_a_page_that_came_count_no_longer(
    start: Start, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where the next page is asked for, nor in the same walk."""
    monkeypatch.setattr(history_ends, "ENOUGH", 6)
    run = start(130)
    newest = run.windows.latest("ends_at")
    run.windows.exclude(pk=newest.pk).delete()
    run.windows.update(starts_at=run.range_from)
    stripe.faults(path="/v1/customers", status=500, count=0)
    assert [last_try(run, timedelta()).state for _ in range(5)] == [State.DUE] * 5
    stripe.clear_faults()
    stripe.faults(path="/v1/customers", skip=1, status=500, count=1)
    window = last_try(run, timedelta())
    assert (window.state, window.pages, window.unanswered) == (State.DUE, 1, 1)
    audit(walk(run), 130)


def test_a_row_of_history_waits_for_nobody(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Listed, and changed to something we lack while its page was on the way: it is written, and says what it lacks."""
    rows = [{"from": ["email"], "to": "email"}, {"from": ["product.name"], "to": "phone"}]
    customer = account.create_customer(email="ada@mill.example")
    subscription = account.subscribe(customer["id"], product="Mill Pro", at=int(time.time()) - 9000)
    stripe.discard()
    run = connect("subscription", sync="history_and_new", rows=rows).runs.get()
    newer = json.loads(json.dumps(subscription))
    newer["items"]["data"][0]["price"]["product"] = "prod_unknown"
    stripe.set_clock(30)
    account.emit("customer.subscription.updated", newer)
    stripe.deliver()
    stripe.set_clock(0)
    inbox.drain()
    run = walk(run)
    audit(run, 1)
    (entry,) = SyncLogEntry.objects.filter(run=run)
    assert entry.contact and entry.warnings == ["Not read yet, so left empty: product:prod_unknown."]


def test_the_end_is_compared_with_what_stripe_listed(start: Start, account: SandboxAccount) -> None:
    run = start(5)
    # Listed once more, as an object without an id.
    account.alter(account.objects("customer")[2]["id"], id="")
    run = walk(run)
    assert (run.state, run.listed, run.seen) == ("partly_failed", 6, 5)
    assert run.message == "Of 6 objects that Stripe listed, 1 could not be taken in."


def test_a_killed_worker_repeats_at_most_a_page(start: Start, stripe: Sandbox, celery_worker: CeleryWorker) -> None:
    """E003: kill -9 half way, start again: it goes on where it stood, nothing twice."""
    stripe.faults(path="/v1/customers", latency=150, count=0)
    run = start(900)
    eventually(lambda: SyncRun.objects.get(pk=run.pk).seen > 100)
    celery_worker.kill()
    run.refresh_from_db()
    assert run.is_open and run.seen < 900
    # The lease of the window it had would run out by itself after a minute.
    SyncWindow.objects.filter(state=State.RUNNING).update(lease_until=Now())
    stripe.clear_faults()
    celery_worker.start()
    eventually(lambda: not SyncRun.objects.get(pk=run.pk).is_open, timeout=90)
    run.refresh_from_db()
    audit(run, 900)
    windows = SyncWindow.objects.filter(run=run)
    pages = sum(windows.values_list("pages", flat=True))
    # Each page once, but for those that were in hand.
    assert len(stripe.requests("/v1/customers")) <= pages + history_walk.IN_HAND
