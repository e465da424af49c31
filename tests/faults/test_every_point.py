"""Row 34: kill -9 between any two statements, of whatever the product does, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import historical, setup
from connections.models import Connection, ConnectionStatus, InboundEvent, RemoteObject, Resource, SyncRun, SyncWindow
from local.data import ROOT
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.test_endpoint import sign
from tests.connections.test_guard import event
from tests.faults.audit import assert_clean
from tests.faults.conftest import amount
from tests.faults.machine import Machine
from tests.faults.points import NEVER

Run = Callable[..., str]


@pytest.fixture
def run(machine: Machine) -> Iterator[Run]:
    """run(what, n, …): a piece of points.py in a process that dies before its n-th statement; what became of it.

    In place of n a query: then it dies as soon as that says true.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.points"],
        env={**os.environ, **machine.environment},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(what: str, when: int | str, *arguments: Any) -> str:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([what, when, *arguments]) + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    yield ask
    assert process.stdin
    process.stdin.close()
    process.wait(30)


def expire() -> None:
    """The minute of everything claimed is over. Only the process that was killed had claims."""
    past = Now() - timedelta(seconds=1)
    for model in (InboundEvent, SyncWindow):
        model.objects.claimed().update(lease_until=past)
    RemoteObject.objects.filter(wanted_at__isnull=False).update(wanted_at=past)
    ConnectionStatus.objects.update(next_poll_at=past)


def some_of_everything(account: SandboxAccount, stripe: Sandbox, number: int) -> None:
    """Events that only the poll brings, a subscription with objects to be read, and a stretch of history."""
    customer = account.create_customer(email=f"p{number}@mill.example", name="Pia Point", phone="1")
    account.subscribe(customer["id"], amount=2900, currency="eur", product=f"Mill {number}")
    account.update_customer(customer["id"], phone="2")
    stripe.discard()
    resource = Resource.objects.get(kind="customer")
    run = historical.start(resource, until=setup.stripe_time(resource.connection))
    newest = run.windows.order_by("-ends_at").first()
    assert newest
    # One window instead of thirty-two: their statements are the same.
    run.windows.exclude(pk=newest.pk).delete()


def test_work_is_killed_anywhere(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, run: Run
) -> None:
    """The poll, the inbox, reading of wanted objects and history."""
    stripe.hold()
    some_of_everything(account, stripe, 0)
    expire()
    statements = int(run("work", NEVER))
    dice = random.Random(34)  # noqa: S311
    killed = 0
    for number in sorted(dice.sample(range(1, statements), amount("POINTS", 10))):
        some_of_everything(account, stripe, number)
        expire()
        killed += run("work", number) == "killed"
        expire()
        assert run("work", NEVER).isdigit()
    # Later rounds may be over before the last points of the first.
    assert killed > 0.5 * amount("POINTS", 10)
    assert_clean(account, again=True)


def test_a_delivery_is_killed_anywhere(connected: Connection, run: Run) -> None:
    """Who got no answer sends again; the event is there once."""
    killed = 0
    for number in range(1, 40):
        body = json.dumps(event(number, "customer.created", int(time.time())))
        arguments = connected.hook_path, body, sign(connected, body.encode())
        if run("deliver", number, *arguments) != "killed":
            break
        killed += 1
        assert run("deliver", NEVER, *arguments).isdigit()
        assert InboundEvent.objects.filter(event_id=f"evt_{number}").count() == 1
    assert killed >= 2


def test_an_import_begins_and_a_check_goes_on_wherever_killed(
    machine: Machine, account: SandboxAccount, stripe: Sandbox, run: Run
) -> None:
    """Row 34: asked for again, an import has its windows; a check ends, so that the next one can begin."""
    stripe.hold()
    assert run("finish", NEVER, account.key).isdigit()
    customer = account.create_customer(email="cora@mill.example", name="Cora Check", phone="0")
    dice = random.Random(34)  # noqa: S311

    def check(number: int) -> str:
        """A check that finds something, as checks with many statements do."""
        account.update_customer(customer["id"], phone=str(number))
        stripe.discard()
        return run("check", number)

    # Some need a few more than the first.
    points = range(1, int(check(NEVER)) + 12)
    for number in sorted(dice.sample(points, min(len(points), amount("CHECKS", 6)))):
        check(number)
        expire()
        assert run("check", NEVER).isdigit()
        assert not SyncRun.objects.checks().open().exists(), number
    work()
    assert_clean(account)
    SyncRun.objects.imports().delete()
    for number in range(1, int(run("import", NEVER)) + 1):
        SyncRun.objects.imports().delete()
        run("import", number)
        assert run("import", NEVER).isdigit()
        assert SyncRun.objects.imports().get(state__in=SyncRun.OPEN).windows.exists(), number


# A check's last window has ended, and the check itself has not.
WALKED = """
    select exists(
        select from connections_syncrun run where run.kind = 'check' and run.state = 'running' and not exists(
            select from connections_syncwindow one where one.run_id = run.id and one.state <> 'done'))
"""
# The same, where the last list was set aside: what no list showed is not looked at then, and still waits.
SET_ASIDE = """
    select exists(
        select from connections_syncrun run join connections_syncwindow unseen on unseen.run_id = run.id
        where run.kind = 'check' and unseen.listing like '%:unseen' and unseen.state = 'due'
            and exists(select from connections_syncwindow one where one.run_id = run.id and one.state = 'dead')
            and not exists(
                select from connections_syncwindow one where one.run_id = run.id and one.id <> unseen.id
                    and one.state not in ('done', 'dead')))
"""


def test_a_check_is_killed_just_before_it_ends(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, run: Run
) -> None:
    """Row 34: after the last window's end and before the check's own. The next ring ends it, and others begin."""
    stripe.hold()
    customer = account.create_customer(email="cora@mill.example", name="Cora Check")
    account.subscribe(customer["id"], amount=4900)
    account.update_customer(customer["id"], phone="1")
    stripe.discard()
    for just_before, states in ((WALKED, {"done"}), (SET_ASIDE, {"done", "partly_failed"})):
        if just_before == SET_ASIDE:
            stripe.faults(path="/v1/subscriptions", skip=1, count=0, status=403, message="Not with this key.")
        assert run("check", just_before) == "killed"
        begun = set(SyncRun.objects.checks().open().values_list("pk", flat=True))
        expire()
        assert run("check", NEVER).isdigit()
        assert set(SyncRun.objects.filter(pk__in=begun).values_list("state", flat=True)) == states
    stripe.clear_faults()
    assert run("check", NEVER).isdigit()
    ended = SyncRun.objects.checks().order_by("-pk").values_list("state", flat=True)
    assert set(ended[: connected.resources.count()]) == {"done"}
    work()
    assert_clean(account)


def test_finish_and_disconnect_are_killed_anywhere(
    machine: Machine, account: SandboxAccount, stripe: Sandbox, run: Run
) -> None:
    """Row 34, 61: done once more by the user, it ends with one endpoint, one resource, one import; or with none."""
    dice = random.Random(61)  # noqa: S311
    points = sorted(dice.sample(range(1, 60), amount("FINISHES", 5)))
    for number in points:
        first = run("finish", number, account.key)
        assert first == "killed" or first.isdigit(), first
        assert run("finish", NEVER, account.key).isdigit()
        (endpoint,) = account.objects("webhook_endpoint")
        connection, resource = Connection.objects.get(), Resource.objects.get()
        assert (connection.state, connection.endpoint_id) == ("active", endpoint["id"])
        assert connection.open("webhook_secret")
        assert resource.mappings.filter(pk=resource.mapping_id).exists() and resource.removed_at is None
        assert SyncRun.objects.filter(state__in=SyncRun.OPEN).count() == 1

        first = run("disconnect", number % 12 + 1)
        assert first == "killed" or first.isdigit(), first
        assert run("disconnect", NEVER).isdigit()
        connection.refresh_from_db()
        assert (connection.state, connection.api_key_sealed) == ("disconnected", None)
        assert account.objects("webhook_endpoint") == []
