"""Processes that die, freeze or lose their database while events come in (rows 18, 34 to 40)."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

from django.db.models.functions import Now

from common.due import MAX_CLAIMS
from connections.models import Connection, ConnectionStatus, InboundEvent, Resource
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_any_order import happened
from tests.faults.audit import assert_clean
from tests.faults.conftest import amount
from tests.faults.machine import LEASE_SECONDS, Machine
from tests.waiting import eventually

Settled = Callable[[], bool]
WORKERS = ("worker 1", "worker 2")
# Seconds after PostgreSQL answers again. Two are promised; the rest is for a machine with more to do than this. It was
# half a minute before.
BACK_WITHIN = 20


def burst(account: SandboxAccount, count: int) -> None:
    """At least `count` events: purchases and subscriptions, and many changes of the same customers."""
    customers = [account.create_customer(email=f"b{number}@mill.example", name="Bea Burst") for number in range(20)]
    number = 0
    while len(account.events()) < count:
        happened(account)
        for customer in customers:
            number += 1
            account.update_customer(customer["id"], phone=str(number))


@contextmanager
def meanwhile(act: Callable[[], None], pause: Callable[[], float]) -> Iterator[None]:
    """Do something again and again in a thread, as long as the block lasts."""
    over, failed = threading.Event(), []

    def run() -> None:
        while not over.wait(pause()):
            try:
                act()
            except Exception as error:
                failed.append(error)
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)
        # Also where the block failed: this may be why.
        assert not failed, failed


def test_a_burst_is_answered_and_drained(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 18: every delivery of the burst is answered 200 at its first try."""
    stripe.hold()
    burst(account, amount("BURST", 300))
    machine.start_product()
    stripe.deliveries(automatic=True)
    eventually(settled, timeout=amount("BURST", 300) / 5 + 60)
    assert {attempt["status"] for attempt in stripe.attempts()} == {200}
    machine.rest()
    assert_clean(account)


def test_workers_are_killed_at_random(
    machine: Machine, connected: Connection, account: SandboxAccount, settled: Settled
) -> None:
    """Row 35: kill -9 of processes of the pool, and of whole workers, while the events are worked."""
    dice = random.Random(35)  # noqa: S311
    machine.start_product()
    machine.kill("worker")
    for name in WORKERS:
        machine.start_worker(name)
    kills = 0

    def kill_one() -> None:
        nonlocal kills
        name = dice.choice(WORKERS)
        kills += 1
        if dice.random() < 0.25:
            machine.kill(name)
            machine.again(name)
        elif pool := machine.children(name):
            with suppress(ProcessLookupError):
                os.kill(dice.choice(pool), signal.SIGKILL)

    with meanwhile(kill_one, lambda: dice.uniform(0.5, 1.0)):
        burst(account, amount("EVENTS", 200))
        eventually(lambda: kills >= amount("KILLS", 10), timeout=120)
    eventually(settled, timeout=120)
    machine.rest()
    assert_clean(account, again=True)


def test_a_poll_is_killed_half_way(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Rows 35, 58: kill -9 while a long list is stored slice by slice. Whoever comes next goes on behind the last."""
    half_an_hour_unheard(account, stripe)
    # So that there is a middle to be seen.
    stripe.faults(path="/v1/events", count=0, latency=100)
    machine.start_product()
    stored = 0
    for kill in (kill_pool, Machine.kill):
        eventually(partial(_came, stored), what="another slice is stored")
        kill(machine, "worker")
        stored = InboundEvent.objects.count()
        assert not _is_polled(), "it was over already"
        # The dead one had taken it for some seconds.
        ConnectionStatus.objects.update(next_poll_at=Now())
    machine.again("worker")
    eventually(_is_polled, what="the list is read to its end")
    eventually(settled, timeout=120)
    machine.rest()
    assert ConnectionStatus.objects.get().missed_webhooks == InboundEvent.objects.filter(missed=True).count() > stored
    assert_clean(account, again=True)


def half_an_hour_unheard(account: SandboxAccount, stripe: Sandbox) -> None:
    """Hundreds of events that no webhook brought."""
    stripe.hold()
    Resource.objects.update(since=Now() - timedelta(hours=1))
    for minute in range(-30, -12, 3):
        stripe.set_clock(60 * minute)
        happened(account)
    stripe.set_clock(0)
    stripe.discard()


def kill_pool(machine: Machine, name: str) -> None:
    """Those who work, but not the one who starts them."""
    for pid in machine.children(name):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_polled() -> bool:
    """Was the list read to its end?"""
    return ConnectionStatus.objects.get().polled_at is not None


def test_postgres_crashes(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 36: 503 while it is away, then on by themselves; no process has to be started again."""
    machine.start_product()
    pids = {name: machine.pid(name) for name in ("web", "worker", "beat")}
    for number in range(amount("CRASHES", 3)):
        before = InboundEvent.objects.count()
        happened(account)
        eventually(partial(_came, before + 10), timeout=30, what="events came in")
        machine.crash_postgres()
        account.create_customer(email=f"away{number}@mill.example")
        if number == 0:
            eventually(lambda: any(attempt["status"] == 503 for attempt in stripe.attempts()), timeout=30)
        machine.again("postgres")
        eventually(machine.web_answers, timeout=BACK_WITHIN, what="the web answers again")
    eventually(settled, timeout=120)
    assert {name: machine.pid(name) for name in pids} == pids
    assert all(machine.supervisor.alive(name) for name in pids)
    machine.rest()
    assert_clean(account, again=True)


def _came(count: int) -> bool:
    return InboundEvent.objects.count() > count


def test_killer_events_are_set_aside_alone(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 39: an event whose processing kills its process is claimed by ever fewer, and dead after four claims."""
    stripe.hold()
    burst(account, 60)
    killers = [account.create_customer(email=f"k{n}@mill.example", name="killer-event") for n in range(2)]
    planted = {e["id"] for e in account.events() if "killer-event" in str(e)}
    assert len(planted) == len(killers)
    machine.start_product()
    machine.kill("worker")
    machine.start_worker("worker that dies", FAULTS_KILLER="killer-event")
    stripe.deliveries(automatic=True)
    eventually(settled, timeout=MAX_CLAIMS * len(killers) * LEASE_SECONDS + 90)
    machine.rest()
    assert set(InboundEvent.objects.filter(state="dead").values_list("last_error_code", flat=True)) == {"worker_lost"}
    assert_clean(account, planted=planted)


def test_a_worker_frozen_past_its_lease(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 40: another one takes its events over; what the frozen one writes when it wakes up is refused."""
    machine.start_product()
    machine.kill("worker")
    machine.start_worker("worker 1")
    burst(account, 80)
    eventually(lambda: InboundEvent.objects.claimed().exists(), timeout=30)
    machine.freeze("worker 1")
    machine.start_worker("worker 2")
    eventually(settled, timeout=120)
    machine.thaw("worker 1")
    account.create_customer(email="later@mill.example")
    eventually(settled, timeout=60)
    machine.rest()
    assert_clean(account, again=True)


def test_two_timetables_and_three_workers(
    machine: Machine, connected: Connection, account: SandboxAccount, settled: Settled
) -> None:
    """Row 38: a second beat only rings twice."""
    machine.start_product()
    for name in WORKERS:
        machine.start_worker(name)
    machine.start_beat("beat 2")
    burst(account, 100)
    eventually(settled, timeout=120)
    machine.rest()
    assert_clean(account, again=True)
