"""The sandbox must not become the truth: its objects have the keys of the objects Stripe publishes."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.stripe import SandboxAccount, serve
from sandbox.stripe.shapes import render
from sandbox.stripe.world import World

FIXTURES = Path(__file__).parents[1] / "fixtures" / "stripe"
EXPANDED_ONLY = {"charge": {"refunds"}, "invoice": {"subscription"}}
"""Keys a fixture shows though the API leaves them out (see the fixtures' README)."""
BRANCHES = {
    "parent",  # both branches filled in
    "payment_method_options",
    "transform_quantity",
    "plan",
    "last_finalization_error",
    "verified_address",
}
Json = dict[str, Any]


def fixture(path: str) -> Json:
    found: Json = json.loads((FIXTURES / f"{path}.json").read_text())
    return found


def missing_keys(wanted: Any, ours: Any, path: str = "") -> set[str]:
    """Keys of the fixture that our object lacks, through all hashes that both have filled."""
    if isinstance(wanted, list) and isinstance(ours, list) and wanted and ours:
        return missing_keys(wanted[0], ours[0], f"{path}[]")
    if not isinstance(wanted, dict) or not isinstance(ours, dict) or not wanted or not ours:
        return set()
    lacking = {f"{path}.{key}" for key in wanted.keys() - ours.keys()}
    for key in wanted.keys() & ours.keys() - BRANCHES:
        lacking |= missing_keys(wanted[key], ours[key], f"{path}.{key}")
    return lacking


@pytest.fixture(scope="module")
def world() -> World:
    """An account in which everything has happened once."""
    made = World()
    with serve(made) as stripe:
        account = stripe.account("main")
        coupon = account.play("add_coupon", percent_off=25, duration="once")
        customer = account.create_customer(
            email="mia@shop.example",
            name="Mia",
            address={"line1": "1 High Street", "country": "GB"},
            shipping={"name": "Mia", "address": {"line1": "1 High Street"}},
        )
        account.subscribe(customer["id"], coupon=coupon["id"])
        charge = account.charge(customer["id"])
        account.refund(charge["id"], 100)
        account.dispute(account.charge(customer["id"])["id"])
        account.buy(customer=customer["id"], shipping=True, promotions="opt_in")
        _endpoint(made, account)
        yield made


def _endpoint(world: World, account: SandboxAccount) -> None:
    from sandbox.stripe.objects.webhooks import webhook_endpoint

    book = world.accounts[account.id].books[True]
    book.add(webhook_endpoint(book, "https://a.example/hook", ["*"], None, {}))


def newest(world: World, type_name: str) -> Json:
    book = next(iter(world.accounts.values())).books[True]
    return next(book.collection(type_name).newest_first())


TYPES = {
    "charge": "charge",
    "checkout_session": "checkout.session",
    "coupon": "coupon",
    "customer": "customer",
    "discount": "discount",
    "dispute": "dispute",
    "event": "event",
    "invoice": "invoice",
    "invoice_payment": "invoice_payment",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "price": "price",
    "product": "product",
    "refund": "refund",
    "subscription": "subscription",
    "webhook_endpoint": "webhook_endpoint",
}


@pytest.mark.parametrize("name", TYPES)
def test_an_object_has_every_key_that_stripe_publishes(world: World, name: str) -> None:
    wanted, ours = fixture(name), newest(world, TYPES[name])
    if name == "event":
        wanted["data"].pop("object")
    for key in EXPANDED_ONLY.get(name, ()):
        wanted.pop(key)
    assert missing_keys(wanted, ours) == set()


def test_the_account_has_every_key_that_stripe_publishes(world: World) -> None:
    from sandbox.stripe.objects import people

    assert missing_keys(fixture("account"), people.account(next(iter(world.accounts.values())))) == set()


LEGACY = sorted(
    (path.parent.name, path.stem)
    for path in (FIXTURES / "legacy").glob("*/*.json")
    if path.stem in TYPES and path.stem != "webhook_endpoint"
)


@pytest.mark.parametrize(("version", "name"), LEGACY)
def test_an_older_version_shows_the_keys_of_its_time(world: World, version: str, name: str) -> None:
    book = next(iter(world.accounts.values())).books[True]
    ours = render(book, newest(world, TYPES[name]), version)
    wanted = fixture(f"legacy/{version}/{name}")
    if version != "2020-08-27":
        wanted.pop("refunds", None)
    wanted.pop("rendering_options", None)  # short-lived, gone again in 2024
    assert wanted.keys() - ours.keys() == set()


def test_basil_moved_the_period_and_the_older_shape_has_it_on_top(world: World) -> None:
    book = next(iter(world.accounts.values())).books[True]
    new = newest(world, "subscription")
    old = render(book, new, "2025-01-27.acacia")
    assert "current_period_end" not in new
    assert old["current_period_end"] == new["items"]["data"][0]["current_period_end"]
    assert "current_period_end" not in old["items"]["data"][0]
    assert old["discount"]["coupon"]["percent_off"] == 25


def test_an_old_invoice_names_subscription_payment_and_price(world: World) -> None:
    book = next(iter(world.accounts.values())).books[True]
    old = render(book, newest(world, "invoice"), "2022-11-15")
    assert old["subscription"] == newest(world, "subscription")["id"]
    assert old["paid"] is True
    assert book.must(old["charge"])["payment_intent"] == old["payment_intent"]
    assert old["lines"]["data"][0]["price"]["recurring"]["interval"] == "month"


def test_before_april_2024_a_subscription_has_its_one_discount_inline(world: World) -> None:
    book = next(iter(world.accounts.values())).books[True]
    subscription = newest(world, "subscription")
    old, newer = (render(book, subscription, version) for version in ("2022-11-15", "2025-01-27.acacia"))
    assert old["discount"]["coupon"]["percent_off"] == newer["discount"]["coupon"]["percent_off"] == 25
    assert newer["discounts"] == subscription["discounts"]
    assert "discounts" not in old and "discounts" not in old["items"]["data"][0]
