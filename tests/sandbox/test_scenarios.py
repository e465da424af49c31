"""Each scenario sends the family of events Stripe sends, in Stripe's order."""

from typing import Any

import pytest

from sandbox.stripe import Sandbox, SandboxAccount, SandboxError, serve
from sandbox.stripe.demo import DEMO_KEYS, DEMO_NOTES, HARBOUR, NORTHWIND, build

PAID = ["invoice.updated", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"]


def played(account: SandboxAccount, scenario: str, **arguments: Any) -> list[str]:
    """The event types a scenario sent."""
    before = len(account.events())
    account.play(scenario, **arguments)
    return [event["type"] for event in account.events()[before:]]


@pytest.fixture
def subscription(account: SandboxAccount) -> str:
    return str(account.subscribe()["id"])


def test_a_first_subscription_is_paid_at_once(account: SandboxAccount) -> None:
    customer = account.create_customer(email="a@shop.example")
    account.play("add_card", customer=customer["id"])
    account.play("subscribe", customer=customer["id"])  # makes product and price
    assert played(account, "subscribe", customer=customer["id"]) == [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        *PAID,
    ]
    assert account.objects("subscription")[0]["status"] == "active"


def test_a_trial_begins_with_an_invoice_over_nothing(account: SandboxAccount) -> None:
    made = account.subscribe(trial_days=14)
    invoice = account.objects("invoice")[0]
    assert (made["status"], invoice["total"], invoice["status"]) == ("trialing", 0, "paid")
    assert account.objects("charge") == []
    assert "customer.subscription.updated" in played(account, "end_trial", subscription=made["id"])
    assert account.objects("charge")[0]["amount"] == 2900


def test_a_renewal_moves_the_period_and_is_paid(account: SandboxAccount, subscription: str) -> None:
    before = account.objects("subscription")[0]
    sent = played(account, "renew", subscription=subscription)
    after = account.objects("subscription")[0]
    assert sent[:3] == ["customer.subscription.updated", "invoice.created", "invoice.finalized"]
    assert sent[-4:] == PAID
    assert after["items"]["data"][0]["current_period_start"] == before["items"]["data"][0]["current_period_end"]
    previous = account.events("customer.subscription.updated")[-1]["data"]["previous_attributes"]
    assert previous["items"]["data"][0]["current_period_end"] == before["items"]["data"][0]["current_period_end"]
    assert account.objects("invoice")[0]["billing_reason"] == "subscription_cycle"


def test_a_failed_payment_is_recovered(account: SandboxAccount, subscription: str) -> None:
    failed = played(account, "fail_payment", subscription=subscription)
    assert failed[-4:] == [
        "invoice.updated",
        "invoice.payment_failed",
        "customer.subscription.updated",
        "customer.updated",
    ]
    assert {"charge.failed", "payment_intent.payment_failed"} < set(failed)
    assert account.objects("subscription")[0]["status"] == "past_due"
    recovered = played(account, "recover", subscription=subscription)
    assert recovered[-2:] == ["customer.subscription.updated", "customer.updated"]
    assert account.objects("subscription")[0]["status"] == "active"
    assert account.objects("invoice")[0]["attempt_count"] == 2


def test_cancelling_now_or_at_the_end_of_the_period(account: SandboxAccount, subscription: str) -> None:
    assert played(account, "cancel", subscription=subscription, at_period_end=True) == ["customer.subscription.updated"]
    asked = account.objects("subscription")[0]
    assert asked["cancel_at_period_end"]
    assert asked["cancel_at"] == asked["items"]["data"][0]["current_period_end"]
    account.modify_subscription(subscription, cancel_at_period_end=False)
    assert account.objects("subscription")[0]["cancel_at"] is None
    assert played(account, "cancel", subscription=subscription) == ["customer.subscription.deleted"]
    assert account.objects("subscription")[0]["status"] == "canceled"


def test_pausing_is_not_pausing_the_collection(account: SandboxAccount, subscription: str) -> None:
    assert played(account, "pause_collection", subscription=subscription) == ["customer.subscription.updated"]
    assert account.objects("subscription")[0]["status"] == "active"
    sent = played(account, "pause", subscription=subscription)
    assert sent == ["customer.subscription.updated", "customer.subscription.paused"]
    assert account.objects("subscription")[0]["status"] == "paused"


def test_refunds_in_part_and_in_full(account: SandboxAccount) -> None:
    charge = account.charge(amount=1000)
    assert played(account, "refund", charge=charge["id"], amount=400) == ["charge.refunded", "refund.created"]
    part = account.objects("charge")[0]
    assert (part["amount_refunded"], part["refunded"]) == (400, False)
    account.refund(charge["id"])
    assert account.objects("charge")[0]["refunded"]
    with pytest.raises(SandboxError, match="0 is left"):
        account.refund(charge["id"], 1)


def test_a_refund_fails_after_all(account: SandboxAccount) -> None:
    charge = account.charge(amount=1000)
    refund = account.refund(charge["id"])
    assert played(account, "fail_refund", refund=refund["id"]) == ["refund.updated", "refund.failed"]
    assert account.objects("refund")[0]["status"] == "failed"
    after = account.objects("charge")[0]
    assert (after["amount_refunded"], after["refunded"]) == (0, False)


def test_a_dispute_is_opened_and_lost(account: SandboxAccount) -> None:
    charge = account.charge()
    sent = played(account, "dispute", charge=charge["id"])
    assert sent[0] == "charge.dispute.created"
    dispute = account.objects("dispute")[0]
    assert played(account, "close_dispute", dispute=dispute["id"], status="lost") == ["charge.dispute.closed"]


def test_a_guest_buys_without_becoming_a_customer(account: SandboxAccount) -> None:
    session = account.buy(email="guest@shop.example", name="Gus Guest")
    assert (session["customer"], session["payment_status"]) == (None, "paid")
    assert session["customer_details"]["email"] == "guest@shop.example"
    assert account.objects("charge")[0]["billing_details"]["name"] == "Gus Guest"
    assert account.objects("customer") == []
    assert account.buy(customer_creation="always")["customer"] == account.objects("customer")[0]["id"]


def test_a_slow_payment_completes_first_and_pays_later(account: SandboxAccount) -> None:
    session = account.buy(delayed=True)
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    assert played(account, "settle_session", session=session["id"])[-1] == "checkout.session.async_payment_succeeded"


def test_a_subscription_bought_by_checkout_knows_its_session(account: SandboxAccount) -> None:
    session = account.buy(mode="subscription")
    assert session["subscription"] == account.objects("subscription")[0]["id"]
    assert session["invoice"] == account.objects("invoice")[0]["id"]


def test_the_upcoming_invoice_has_no_id(account: SandboxAccount, subscription: str) -> None:
    account.play("upcoming_invoice", subscription=subscription)
    event = account.events("invoice.upcoming")[0]
    assert "id" not in event["data"]["object"]
    assert event["data"]["object"]["parent"]["subscription_details"]["subscription"] == subscription


def test_a_mistaken_call_says_what_is_wrong(account: SandboxAccount) -> None:
    with pytest.raises(SandboxError, match="no object sub_none"):
        account.renew("sub_none")
    with pytest.raises(SandboxError, match="no scenario dance"):
        account.play("dance")


def test_the_demo_is_believable_and_the_same_every_time() -> None:
    with serve(build()) as first, serve(build()) as second:
        for stripe in (first, second):
            northwind = stripe.account(NORTHWIND)
            assert len(northwind.objects("customer")) == 300
            statuses = {one["status"] for one in northwind.objects("subscription")}
            assert statuses >= {"active", "canceled", "past_due", "trialing", "paused"}
            assert {one["currency"] for one in northwind.objects("subscription")} >= {"eur", "usd", "jpy", "kwd"}
            assert any(one["cancel_at_period_end"] for one in northwind.objects("subscription"))
            assert any(one["amount_refunded"] for one in northwind.objects("charge"))
            assert len(northwind.objects("dispute")) == 1
            assert len(stripe.account(HARBOUR).objects("customer")) == 120
        assert _ids(first) == _ids(second)


def _ids(stripe: Sandbox) -> list[str]:
    return [customer["id"] for customer in stripe.account(NORTHWIND).objects("customer")]


def test_every_demo_key_is_known_and_explained() -> None:
    world = build()
    assert DEMO_KEYS.keys() == DEMO_NOTES.keys()
    assert set(DEMO_KEYS.values()) <= world.keys.keys()


def test_tax_shipping_usage_and_tiers_are_billed(account: SandboxAccount) -> None:
    """Graduated tiers make a line each; a metered price has no quantity until it is used."""
    product = account.play("add_product", name="Signals")["id"]
    monthly = {"product": product, "currency": "eur", "interval": "month"}
    metered = account.play("add_price", **monthly, unit_amount_decimal="0.5", usage_type="metered")
    tiers = [{"up_to": 10, "unit_amount": 100}, {"up_to": None, "unit_amount": 80}]
    graduated = account.play("add_price", **monthly, tiers=tiers)
    made = account.subscribe(prices=[metered["id"], graduated["id"]], quantities=[1, 12], tax_percent=10)
    assert [item.get("quantity") for item in made["items"]["data"]] == [None, 12]
    account.renew(made["id"], usage=301, shipping=400)
    invoice = account.objects("invoice")[0]
    assert [(line["quantity"], line["amount"]) for line in invoice["lines"]["data"]] == [
        (301, 151),
        (10, 1000),
        (2, 160),
    ]
    assert invoice["total_taxes"][0]["amount"] == 131
    assert invoice["total"] == invoice["amount_paid"] == 1311 + 131 + 400


def test_an_invoice_that_is_sent_waits_for_its_money(account: SandboxAccount) -> None:
    made = account.subscribe(days_until_due=30)
    invoice = account.objects("invoice")[0]
    assert (made["status"], invoice["status"], invoice["attempted"]) == ("active", "open", False)
    assert invoice["due_date"] == invoice["created"] + 30 * 86400 and invoice["next_payment_attempt"] is None
    assert account.events("invoice.sent") and not account.objects("charge")
    account.recover(made["id"])
    assert account.objects("invoice")[0]["status"] == "paid"
