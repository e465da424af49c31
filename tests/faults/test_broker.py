"""Celery is a doorbell (promise E002, row 37): nothing is lost with it, and no answer waits for it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from django.db.models.functions import Now

from common.models import Heartbeat
from connections.models import Connection, InboundEvent
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_any_order import happened
from tests.connections.test_endpoint import sign
from tests.connections.test_guard import event
from tests.faults.audit import assert_clean
from tests.faults.conftest import amount, unfinished
from tests.faults.machine import Machine
from tests.waiting import eventually

Settled = Callable[[], bool]
PAGES = ("/contacts/", "/orders/", "/recurring-payments/", "/apps/", "/health/")
# Times of the same requests, compared with each other on one machine that may be busy. Waiting for a broker that
# does not answer takes seconds where a page takes milliseconds.
SLOWER = 5
# Somebody who waits for a broker that hangs waits five.
A_SECOND = 1.0


def test_flushed_and_killed_while_events_come_in(
    machine: Machine, connected: Connection, account: SandboxAccount, settled: Settled
) -> None:
    """FLUSHALL and kill -9 of Valkey again and again; the workers find it again by themselves."""
    machine.start_product()
    workers = machine.pid("worker"), machine.pid("beat")
    for number in range(amount("FLUSHES", 4)):
        happened(account)
        machine.flush_broker()
        eventually(lambda: unfinished() < 40, timeout=60)
        if number % 2:
            machine.kill("valkey")
            machine.again("valkey")
    eventually(settled, timeout=90)
    assert (machine.pid("worker"), machine.pid("beat")) == workers
    machine.rest()
    assert_clean(account, again=True)


def test_absent_at_the_start(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled, cookie: str
) -> None:
    """Web, workers and beat start without a broker; deliveries are taken, `work` works them, rings are heard later."""
    for name in ("web", "worker", "beat", "valkey"):
        if name in machine.running():
            machine.kill(name)
    machine.start_product()
    happened(account)
    eventually(lambda: stripe.deliveries()["idle"], timeout=60)
    assert InboundEvent.objects.count() == unfinished() > 0
    assert machine.get("/contacts/", cookie)[0] == 200
    done = machine.manage("work", "--until-idle")
    assert done.returncode == 0, done.stderr
    assert unfinished() == 0

    account.create_customer(email="later@mill.example")
    eventually(lambda: InboundEvent.objects.filter(state="due").exists(), timeout=20)
    machine.again("valkey")
    eventually(settled, timeout=60)
    machine.rest()
    assert_clean(account, again=True)


def test_hanging_it_slows_no_answer_and_ends_by_itself(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled, cookie: str
) -> None:
    """SIGSTOP: connections are accepted and nothing is ever answered. Pages and webhooks do not notice."""
    machine.start_product()
    happened(account)
    eventually(settled, timeout=60)
    pages, hooks = _times_of(machine, connected, cookie, "before")
    eventually(lambda: unfinished() == 0, timeout=60)

    machine.freeze("valkey")
    frozen_pages, frozen_hooks = _times_of(machine, connected, cookie, "while")
    happened(account)
    eventually(lambda: stripe.deliveries()["idle"], timeout=60)
    assert unfinished(), "nobody rings while it hangs"
    done = machine.manage("work", "--until-idle")
    assert done.returncode == 0, done.stderr
    assert unfinished() == 0

    machine.thaw("valkey")
    account.create_customer(email="later@mill.example")
    eventually(settled, timeout=90)
    assert frozen_pages < max(pages * SLOWER, A_SECOND) and frozen_hooks < max(hooks * SLOWER, A_SECOND)
    machine.rest()
    assert_clean(account)


def _times_of(machine: Machine, connection: Connection, cookie: str, name: str) -> tuple[float, float]:
    """Seconds a page and a webhook take, each the median of many; all of them are answered."""
    rounds = amount("ROUNDS", 12)
    pages, hooks = [], []
    for number in range(rounds):
        for path in PAGES:
            started = time.monotonic()
            assert machine.get(path, cookie)[0] == 200, path
            pages.append(time.monotonic() - started)
        body = json.dumps(event(0, "customer.updated", int(time.time())) | {"id": f"evt_{name}_{number}"}).encode()
        headers = {"Stripe-Signature": sign(connection, body), "Content-Type": "application/json"}
        started = time.monotonic()
        assert machine.post(connection.hook_path, body, headers)[0] == 200
        hooks.append(time.monotonic() - started)
    return statistics.median(pages), statistics.median(hooks)


def test_a_deaf_worker_ends_and_is_started_again(
    machine: Machine, connected: Connection, account: SandboxAccount, settled: Settled
) -> None:
    """A worker that lives and is connected, but takes nothing (as in celery#8030), notices; the supervisor acts."""
    machine.start_product()
    machine.kill("worker")
    machine.start_worker("worker that goes deaf", FAULTS_DEAF="1", FAULTS_SILENCE="6")
    deaf = machine.pid("worker that goes deaf")
    eventually(lambda: not machine.supervisor.alive("worker that goes deaf"), timeout=90)
    assert "hears no ring" in machine.log("worker that goes deaf")
    account.create_customer(email="ada@mill.example")
    eventually(machine.supervisor.restart_dead, timeout=30)
    assert machine.pid("worker that goes deaf") != deaf

    def looked_after() -> bool:
        # It goes deaf again, and is started again, as often as it takes.
        machine.supervisor.restart_dead()
        return settled()

    eventually(looked_after, timeout=240)
    machine.rest()
    assert_clean(account)


def test_health_names_workers_that_do_not_work(
    machine: Machine, connected: Connection, account: SandboxAccount
) -> None:
    machine.start_product()
    eventually(lambda: Heartbeat.objects.filter(queue__in=["inbox", "stripe"]).count() == 2, timeout=40)
    machine.rest()
    account.create_customer(email="ada@mill.example")
    eventually(lambda: unfinished(), timeout=20)
    Heartbeat.objects.update(at=Now())
    assert machine.get("/health/")[0] == 200
    past = Now() - timedelta(seconds=90)
    InboundEvent.objects.update(next_attempt_at=past)
    Heartbeat.objects.update(at=Now())
    assert machine.get("/health/")[0] == 200, "somebody looked just now, and will get there"
    Heartbeat.objects.update(at=past)
    status, body = machine.get("/health/")
    assert status == 503
    assert "no inbox worker has looked for 9" in json.loads(body)["checks"]["inbox"]
