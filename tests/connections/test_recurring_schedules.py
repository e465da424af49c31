"""Field 27: a subscription may end by its schedule, which it names by id."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connections.models import Resource
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Resource]


def cycles() -> int:
    work()
    return RecurringPayment.objects.get().total_cycles


@pytest.mark.parametrize("sync", ["new_only", "history_and_new"])
def test_the_cycles_of_a_schedule(
    account: SandboxAccount, stripe: Sandbox, connect: Connect, live_hook: None, sync: str
) -> None:
    """No end while the schedule lets it go on; the number of cycles where it ends with the schedule."""
    if sync == "new_only":
        connect("subscription")
    stripe.set_clock(-60)
    subscription = account.subscribe(None, amount=900, currency="eur")
    schedule = account.play("schedule", subscription=subscription["id"], cycles=6)
    stripe.set_clock(0)
    if sync == "history_and_new":
        stripe.discard()
        connect("subscription", sync=sync)
    else:
        account.alter(subscription["id"], event="customer.subscription.updated", metadata={"seen": "yes"})
    stripe.deliver()
    assert cycles() == 6
    assert len(stripe.requests("/v1/subscription_schedules")) == (sync == "new_only")
    account.alter(schedule["id"], event="subscription_schedule.updated", end_behavior="release")
    stripe.deliver()
    assert cycles() == 0
