"""Field 24: Stripe keeps no time of change, so it is that of the newest event of the subscription that has come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connections import historical, setup, underived_pages
from connections.models import Resource, SyncLogEntry
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]
TOLD = "customer.subscription.updated"


def modified() -> datetime | None:
    return RecurringPayment.objects.get().store_modified_date


def newest(account: SandboxAccount) -> datetime:
    events: list[dict[str, Any]] = [e for e in account.events() if e["type"].startswith("customer.subscription.")]
    return datetime.fromtimestamp(max(event["created"] for event in events), UTC)


def read_history(resource: Resource) -> None:
    """The import alone: work in general would ask for events, too."""
    historical.start(resource, until=setup.stripe_time(resource.connection))
    historical.drain()
    underived_pages.drain()


def test_an_import_knows_of_no_event(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None
) -> None:
    stripe.set_clock(-60)
    account.subscribe(None, amount=900, currency="eur")
    stripe.set_clock(0)
    stripe.discard()
    connect("subscription", sync="history_and_new")
    work()
    assert modified() is None


@pytest.mark.parametrize("read_first", [True, False])
def test_before_or_after_an_import_it_is_the_events_time(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None, read_first: bool
) -> None:
    stripe.set_clock(-1200)
    resource = connect("subscription")
    subscription = account.subscribe(None, amount=900, currency="eur")
    stripe.set_clock(-600)
    account.alter(subscription["id"], event=TOLD, metadata={"seen": "yes"})
    stripe.set_clock(0)
    if read_first:
        read_history(resource)
        assert modified() is None
    stripe.deliver()
    work()
    assert modified() == newest(account)
    if not read_first:
        read_history(resource)
        assert modified() == newest(account)
    results = SyncLogEntry.objects.filter(event_type=TOLD).values_list("result", flat=True)
    assert list(results) == ["stale" if read_first else "unchanged"]
