"""People who change the setup while work is under way (rows 65 to 67)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import connection as database
from django.db.models.functions import Now

from connections import historical, inbox, setup
from connections.models import Connection, InboundEvent, Resource, SyncLogEntry, SyncRun
from contacts.models import Contact
from sandbox.stripe import Sandbox, SandboxAccount
from tests.faults.audit import assert_clean, audit
from tests.faults.conftest import amount, unfinished
from tests.faults.machine import Machine
from tests.faults.test_crashes import burst
from tests.waiting import eventually

Settled = Callable[[], bool]


def test_disconnecting_under_full_load(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 65: an import and hundreds of due events; after “Disconnected” nothing is written, and all is kept."""
    machine.start_product()
    machine.rest()
    account.play("grow", count=300)
    # The import lasts until it is cut off.
    stripe.faults(path="/v1/customers", latency=500, count=0)
    run = historical.start(connected.resources.get(kind="customer"), until=setup.stripe_time(connected))
    burst(account, amount("DISCONNECTED", 150))
    eventually(lambda: stripe.deliveries()["idle"], timeout=60)
    machine.start_product()
    eventually(lambda: SyncRun.objects.get(pk=run.pk).seen and _worked(), timeout=60)
    setup.disconnect(Connection.objects.get())
    written = SyncLogEntry.objects.count(), Contact.objects.count(), Contact.objects.filter(phone="").count()
    waiting = unfinished()
    eventually(lambda: not InboundEvent.objects.filter(state__in=["running", "due"]).exists(), timeout=60)
    machine.rest()
    assert (SyncLogEntry.objects.count(), Contact.objects.count(), Contact.objects.filter(phone="").count()) == written
    assert InboundEvent.objects.exclude(body=None).filter(state="held").count() <= waiting
    run.refresh_from_db()
    assert (run.state, Connection.objects.get().api_key_sealed) == ("cancelled", None)
    found = audit(account)
    # What was cut off is not all there is at Stripe, and wishes stay; what is there is there once.
    doubled = [one for one in found.doubled if not one.startswith("orders say")]
    assert not doubled and not found.dead, str(found)


def _worked() -> bool:
    return InboundEvent.objects.filter(state="done").exists()


def test_a_new_key_under_full_load(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 66: no request goes out with the old key after it was replaced, and nothing is lost by the change."""
    machine.start_product()
    run = historical.start(connected.resources.get(kind="customer"), until=setup.stripe_time(connected))
    burst(account, 100)
    eventually(lambda: _worked(), timeout=60)
    new = account.new_key("secret", label="second")
    setup.replace_key(Connection.objects.get(), new)
    replaced = time.time()
    burst(account, len(account.events()) + 50)
    eventually(lambda: settled() and not SyncRun.objects.get(pk=run.pk).is_open, timeout=120)
    machine.rest()
    assert SyncRun.objects.get(pk=run.pk).state == "done"
    # Those on their way at that moment, eight pages at most, are answered.
    late = [asked for asked in stripe.requests("/v1/") if asked["time"] > replaced + 1]
    assert {asked["key"] for asked in late} == {new}
    assert_clean(account)


def test_a_mapping_changed_in_the_middle(connected: Connection, account: SandboxAccount, stripe: Sandbox) -> None:
    """Row 67: each event is mapped by one version as a whole: its log row says which, and both fields agree with it."""
    stripe.hold()
    resource = Resource.objects.get(kind="customer")
    versions = {
        number: [
            {"from": ["email"], "to": "email", "write": "always"},
            *({"from": [f"metadata.{name}_{number}"], "to": name, "write": "always"} for name in ("name", "phone")),
        ]
        for number in range(2, 8)
    }
    metadata = {f"{name}_{number}": str(number) for number in range(2, 8) for name in ("name", "phone")}
    for number in range(60):
        account.create_customer(email=f"m{number}@mill.example", metadata=metadata)
    _receive(connected, account)

    def change() -> None:
        for rows in versions.values():
            setup.write_mapping(resource, rows)
        database.close()

    def drain() -> None:
        while events := InboundEvent.objects.claim(3):
            inbox.work(events)
        database.close()

    threads = [threading.Thread(target=act) for act in (change, drain, drain)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Contact.objects.count() == 60
    for entry in SyncLogEntry.objects.select_related("mapping", "contact"):
        number = entry.mapping.number
        if number > 1:
            assert (entry.contact.phone, entry.contact.first_name) == (str(number), str(number))
    found = audit(account)
    # Contacts say what the mappings wrote, which is no longer the customer's own name.
    found.stale = [one for one in found.stale if not one.startswith("contact of")]
    assert found.clean, str(found)


def _receive(connection: Connection, account: SandboxAccount) -> None:
    from tests.faults.test_database import _store

    _store(connection, account)
    InboundEvent.objects.update(next_attempt_at=Now())
