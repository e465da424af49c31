"""What a recurring payment costs: metered, tiered, fractional and packaged prices, and quantities of none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connections.models import Resource
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

# Amount, amount a month, quantity. Tiers: five at 10.00 and 20.00 once, then 7.00 each.
TIERS = [{"up_to": 5, "unit_amount": 1000, "flat_amount": 2000}, {"up_to": None, "unit_amount": 700}]
METERED = {"unit_amount": 5, "usage_type": "metered"}
CASES: dict[str, tuple[list[dict[str, Any]], list[int], int | None, tuple[int | None, int | None, int | None]]] = {
    "metered before its first bill": ([METERED], [1], None, (None, None, None)),
    "metered": ([METERED], [1], 137, (685, 685, None)),
    "metered by fractions": ([{"unit_amount_decimal": "0.5", "usage_type": "metered"}], [1], 137, (69, 69, None)),
    "metered and licensed": ([METERED, {"unit_amount": 2000}], [1, 2], 137, (4685, 4685, 2)),
    "metered and licensed, nothing used": ([METERED, {"unit_amount": 2000}], [1, 2], None, (4000, 4000, 2)),
    "graduated": ([{"tiers": TIERS}], [12], None, (11900, 11900, 12)),
    "volume": ([{"tiers": TIERS, "tiers_mode": "volume"}], [12], None, (8400, 8400, 12)),
    "graduated and metered": ([{"tiers": TIERS, "usage_type": "metered"}], [1], 12, (11900, 11900, None)),
    "by fractions": ([{"unit_amount_decimal": "0.5"}], [1000], None, (500, 500, 1000)),
    "by packages": ([{"unit_amount": 900, "transform_quantity": {"divide_by": 10, "round": "up"}}], [12], None,
                    (1800, 1800, 12)),
    "none of them": ([{"unit_amount": 2000}], [0], None, (0, 0, 0)),
    "none of one of them": ([{"unit_amount": 2000}, {"unit_amount": 300}], [0, 3], None, (900, 900, 3)),
}  # fmt: skip


def subscribed(account: SandboxAccount, stripe: Sandbox, prices: list[dict[str, Any]], quantities: list[int]) -> str:
    product = account.play("add_product", name="Meter")["id"]
    made = [account.play("add_price", product=product, currency="eur", interval="month", **price) for price in prices]
    return str(account.subscribe(None, prices=[price["id"] for price in made], quantities=quantities)["id"])


@pytest.mark.parametrize("version", ["2020-08-27", "2026-10-28.endive"])
@pytest.mark.django_db(transaction=True)
def test_every_kind_of_price(stripe: Sandbox, connect: Callable[..., Resource], live_hook: None, version: str) -> None:
    """B034: the amount of the last bill; before it what the prices say, or nothing where only a bill will tell."""
    # An account that is polled tells its events in its own version.
    account = stripe.account("polled", local_webhooks=False, api_version=version)
    connect("subscription", key=account.key)
    ids = {subscribed(account, stripe, prices, counts): name for name, (prices, counts, *_) in CASES.items()}
    for id_, name in ids.items():
        if CASES[name][2] is not None:
            account.renew(id_, usage=CASES[name][2])
    work()
    rows = RecurringPayment.objects.all()
    found = {ids[row.store_recurring_payment_id]: (row.payment_amount, row.mrr_amount, row.quantity) for row in rows}
    assert found == {name: expected for name, (*_, expected) in CASES.items()}
