"""The audit can fail: without the guard, and for each kind of damage that is done by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from os import environ

import pytest
from django.db.models.functions import Now

from common.due import State
from connections.models import Connection, InboundEvent, RemoteObject
from contacts.models import Contact
from local.data import ROOT
from orders.models import Order, OrderItem
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_any_order import happened
from tests.faults.audit import Audit, assert_clean, audit
from tests.faults.machine import Machine

WORK = """
import django; django.setup()
from tests.faults.worker import bend; bend()
from connections import inbox; inbox.drain()
"""


@pytest.fixture
def delivered(machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox) -> None:
    """Events in the inbox, delivered newest first, and not yet worked."""
    stripe.hold()
    machine.start_product()
    machine.rest()
    customer = account.create_customer(email="eve@mill.example", name="Eve Miller", phone="0")
    for number in range(1, 6):
        stripe.set_clock(number * 2)
        account.update_customer(customer["id"], phone=str(number))
    happened(account)
    stripe.deliveries(reorder=True)
    assert {attempt["status"] for attempt in stripe.deliver()} == {200}


def drain(machine: Machine, **bent: str) -> None:
    """Work the inbox in a process of its own, then the rest as usual."""
    from tests.connections.conftest import work

    settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "FAULTS_LEASE": "", "FAULTS_BATCH": ""}
    subprocess.run(
        [sys.executable, "-c", WORK], env={**environ, **machine.environment, **settings, **bent}, cwd=ROOT, check=True
    )
    work()


def test_without_the_guard_it_finds_stale_rows(machine: Machine, delivered: None, account: SandboxAccount) -> None:
    drain(machine, FAULTS_GUARD="off")
    found = audit(account)
    assert len(found.stale) >= 2
    assert any("contact of" in one for one in found.stale) and any("customer:" in one for one in found.stale)


def test_every_damage_is_found(machine: Machine, delivered: None, account: SandboxAccount) -> None:
    drain(machine)
    assert_clean(account)

    def after(damage: Callable[[], object]) -> Audit:
        from django.db import transaction

        with transaction.atomic():
            damage()
            found = audit(account)
            transaction.set_rollback(True)
        return found

    done = InboundEvent.objects.filter(state="done")
    assert after(lambda: done.filter(pk=done[0].pk).update(state=State.DUE)).lost
    assert after(lambda: done[0].delete()).lost
    assert after(lambda: done.filter(pk=done[0].pk).update(state=State.DEAD)).dead
    past = Now() - timedelta(seconds=9)
    assert after(lambda: done.filter(pk=done[0].pk).update(state=State.RUNNING, lease_until=past)).overdue
    # Nobody comes back for what waits for objects that are all there.
    key = RemoteObject.objects.filter(type="customer")[0].key
    waits = after(lambda: done.filter(pk=done[0].pk).update(state=State.WAITING, waits_for=[key])).overdue
    assert len(waits) == 1 and f"waits for {key}, which is held" in waits[0]
    wanting = done.filter(pk=done[0].pk)
    assert not after(lambda: wanting.update(state=State.WAITING, waits_for=[key, "customer:cus_none"])).overdue
    assert after(lambda: Contact.objects.get(email="eve@mill.example").delete()).lost
    assert after(lambda: Order.objects.received()[0].delete()).lost
    assert after(lambda: RecurringPayment.objects.all().delete()).lost
    for name in ("phone", "last_name"):
        assert after(partial(Contact.objects.update, **{name: "old"})).stale
    assert after(lambda: RemoteObject.objects.filter(type="charge")[0].delete()).lost
    for name, value in (("payment_method_last4", "0000"), ("total_cycles", 99)):
        assert after(partial(RecurringPayment.objects.update, **{name: value})).stale
    for name, value in (("status", "cancelled"), ("tax", 7)):
        assert after(partial(Order.objects.update, **{name: value})).stale
    assert after(lambda: OrderItem.objects.update(quantity=99)).stale
    assert audit(account, planted=["evt_planted"]).dead == ["evt_planted should be set aside, but is None"]
    assert not audit(account).doubled
    order = Order.objects.received()[0]
    assert after(lambda: Order.objects.filter(pk=order.pk).update(total=order.total * 2)).doubled


def test_a_calm_worker_is_compared_with(machine: Machine, delivered: None, account: SandboxAccount) -> None:
    """What the worker under fire made too much, or not, shows in the second derivation."""
    drain(machine)
    RecurringPayment.objects.update(quantity=99)
    Contact.objects.create(email="nobody@mill.example")
    found = audit(account, again=True)
    assert any("99" in one for one in found.doubled) and found.lost
    assert any("nobody@mill.example" in one for one in found.doubled)
