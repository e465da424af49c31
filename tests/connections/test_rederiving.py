"""What thousands of subscriptions share changes: their recurring payments follow in pages, and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from common.due import State
from common.origin import Origin
from connections import derived, fetching, idle, inbox, rederiving, stored_events, underived, underived_pages
from connections.derived import Told
from connections.models import Connection, InboundEvent, Rederivation, RemoteObject, Resource, Underived
from connections.sources.stripe import recurring, shapes, translate
from contacts.models import Activity
from recurring_payments.models import RecurringPayment
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.connections.test_recurring import START, subscription

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = 20
FEW_PAGES = 6 * PAGE


@pytest.fixture
def connection(connect: Callable[..., Resource]) -> Connection:
    resource = connect("subscription")
    Resource.objects.update(since="2020-01-01T00:00:00Z")
    return Connection.objects.get(pk=resource.connection_id)


def hold(connection: Connection, *bodies: dict[str, Any]) -> None:
    as_of = datetime.fromtimestamp(START, UTC)
    RemoteObject.objects.bulk_create(
        RemoteObject(
            connection=connection,
            type=body["object"],
            external_id=body["id"],
            as_of=as_of,
            body=body,
            refs=shapes.references(body),
        )
        for body in bodies
    )


@pytest.fixture
def shop(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Some pages of subscriptions to one product, pages being small here."""
    for module, name in ((derived, "AT_ONCE"), (derived, "PAGE"), (rederiving, "PAGE")):
        monkeypatch.setattr(module, name, PAGE)
    return with_subscriptions(connection, FEW_PAGES)


def with_subscriptions(connection: Connection, count: int) -> Connection:
    """So many subscriptions to one product, derived."""
    hold(connection, {"id": "prod_1", "object": "product", "name": "Old name"})
    hold(connection, *(subscription(id=f"sub_{number}", customer=f"cus_{number}") for number in range(count)))
    rederiving.begin(connection)
    rederiving.drain()
    assert names() == {"Old name": count}
    return connection


def names() -> dict[str, int]:
    found: dict[str, int] = {}
    for name in RecurringPayment.objects.values_list("name", flat=True):
        found[name] = found.get(name, 0) + 1
    return found


def tell(connection: Connection, type_: str, body: dict[str, Any], number: int = 1) -> None:
    event = {
        "id": f"evt_{number}",
        "object": "event",
        "type": type_,
        "created": int(time.time()) - 100 + number,
        "livemode": True,
        "api_version": "2026-01-28.clover",
        "data": {"object": body},
    }
    raw = json.dumps(event).encode()
    stored_events.store(connection, translate.envelope(translate.parse(raw)), raw, Origin.WEBHOOK)


def rename(connection: Connection, name: str, number: int = 1) -> None:
    tell(connection, "product.updated", {"id": "prod_1", "object": "product", "name": name}, number)


def end_leases() -> None:
    """What a dead worker had comes back by its lease; here its minute is over at once."""
    Rederivation.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))


def test_a_renamed_product_of_1200_subscriptions(connection: Connection) -> None:
    """The event writes little, and all recurring payments carry the new name afterwards."""
    many = 1200
    rename(with_subscriptions(connection, many), "New name")
    with CaptureQueriesContext(database) as asked:
        inbox.drain()
    assert InboundEvent.objects.get().state == State.IGNORED  # it is nobody's event, but its object is kept
    assert names() == {"Old name": many}  # none of them in the event's own transaction
    assert len(asked) < 60
    assert "1 changes to derive from" in idle.busy()
    call_command("work", "--until-idle")
    assert names() == {"New name": many}
    assert not Rederivation.objects.exists() and not idle.busy()
    told = Activity.objects.filter(changes__contains=[{"field": "name", "new": "New name"}])
    assert told.count() == many == told.values("dedupe").distinct().count()


def test_few_are_derived_at_once(connection: Connection) -> None:
    hold(connection, {"id": "prod_1", "object": "product", "name": "Old name"})
    hold(connection, *(subscription(id=f"sub_{number}") for number in range(3)))
    rename(connection, "New name")
    inbox.drain()
    assert names() == {"New name": 3} and not Rederivation.objects.exists()


def test_a_worker_that_dies_in_the_middle_loses_and_doubles_nothing(shop: Connection) -> None:
    rename(shop, "New name")
    inbox.drain()
    assert rederiving.drain(seconds=0) == 0
    walk = rederiving.walkable().claim(1)[0]
    rederiving._write_page(walk, [])
    assert names() == {"Old name": FEW_PAGES - PAGE, "New name": PAGE}
    # Killed here: the claim ends by its lease, and the next worker goes on behind the page that was written.
    assert rederiving.drain() == 0
    end_leases()
    assert rederiving.drain() == FEW_PAGES // PAGE  # five pages, and an empty one that tells the end
    assert names() == {"New name": FEW_PAGES}
    # The one that was only frozen finds that the walk is not its own any more.
    with pytest.raises(inbox.Moved):
        rederiving._write_page(walk, [])


def named_rows() -> int:
    """How many rows the lookup by what an object names has given so far."""
    with database.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute("select idx_tup_read from pg_stat_user_indexes where indexrelname = 'remote_object_refs'")
        return int(cursor.fetchone()[0])


def test_a_walk_does_not_look_for_all_of_them_with_every_page(shop: Connection) -> None:
    """Else a product of a hundred thousand subscriptions takes the square of that."""
    rename(shop, "New name")
    inbox.drain()
    before = named_rows()
    assert rederiving.drain() == FEW_PAGES // PAGE + 1
    assert names() == {"New name": FEW_PAGES}
    # Once at the beginning, once to learn that there are no more; and what each of them is made from.
    assert named_rows() - before < 6 * FEW_PAGES


def test_what_was_committed_after_the_look_is_walked_too(shop: Connection) -> None:
    """A batch that read the product before it changed may end while the walk goes on."""
    hold(shop, subscription(id="sub_of_a_short_page", customer="cus_1000"))
    rename(shop, "New name")
    inbox.drain()
    walk, ahead = rederiving.walkable().claim(1)[0], []
    rederiving._write_page(walk, ahead)
    hold(shop, subscription(id="sub_late", customer="cus_1001"))
    while walk.state == State.RUNNING:
        rederiving._write_page(walk, ahead)
    assert names() == {"New name": FEW_PAGES + 2} and not Rederivation.objects.exists()


@pytest.mark.parametrize("silent", [True, False])
def test_what_an_import_makes_later_is_not_made_before(shop: Connection, silent: bool) -> None:
    """Reading its product while an import goes on would make each recurring payment twice. But a change that is to be
    told is told by who learnt it.
    """
    left = {f"subscription:sub_{number}" for number in range(0, FEW_PAGES, 2)}
    at = datetime.fromtimestamp(START, UTC)
    underived.mark(shop, {key: Told(at, Origin.HISTORY, "1:history:left", silent=True) for key in left})
    hold_name = {"id": "prod_1", "object": "product", "name": "New name"}
    RemoteObject.objects.filter(type="product").update(body=hold_name)
    fact = {"occurred_at": at, "origin": Origin.POLL, "key": "1:read:product:prod_1", "silent": silent}
    Rederivation.objects.create(connection=shop, shared="product:prod_1", **fact)
    rederiving.drain()
    half = {"Old name": FEW_PAGES // 2, "New name": FEW_PAGES // 2}
    assert names() == (half if silent else {"New name": FEW_PAGES})
    while underived_pages.drain():
        pass
    assert names() == {"New name": FEW_PAGES} and not Underived.objects.exists()


def test_a_second_change_while_the_first_is_walked(shop: Connection) -> None:
    rename(shop, "Second name", 1)
    inbox.drain()
    walk = rederiving.walkable().claim(1)[0]
    rederiving._write_page(walk, [])
    for number, name in enumerate(("Third name", "Fourth name", "Last name"), start=2):
        rename(shop, name, number)
        inbox.drain()
    assert Rederivation.objects.count() == 4
    end_leases()
    rederiving.drain()
    assert names() == {"Last name": FEW_PAGES}
    assert not Rederivation.objects.exists()


def test_repeated_changes_are_one_walk(shop: Connection) -> None:
    for number in range(1, 6):
        rename(shop, f"Name {number}", number)
        inbox.drain()
    assert Rederivation.objects.count() == 5
    assert rederiving.drain() == FEW_PAGES // PAGE + 1
    assert names() == {"Name 5": FEW_PAGES} and not Rederivation.objects.exists()


def test_the_card_of_a_customer_is_shared_by_his_subscriptions(connection: Connection) -> None:
    """A card that only the customer names: its new end is on all his recurring payments."""
    card = {"id": "pm_1", "object": "payment_method", "card": {"exp_month": 8, "exp_year": 2027}}
    hold(connection, {"id": "cus_1", "object": "customer", "invoice_settings": {"default_payment_method": "pm_1"}})
    hold(connection, card, subscription(id="sub_1"), subscription(id="sub_2"))
    rederiving.begin(connection)
    rederiving.drain()
    tell(connection, "payment_method.automatically_updated", card | {"card": {"exp_month": 9, "exp_year": 2030}})
    inbox.drain()
    ends = RecurringPayment.objects.values_list("payment_method_expiration", flat=True)
    assert [str(end) for end in ends] == ["2030-09-01"] * 2


def test_a_walk_that_waits_too_long_is_seen(shop: Connection, anybody: Client) -> None:
    rename(shop, "New name")
    inbox.drain()
    assert anybody.get("/health/").json()["checks"]["rows to derive anew"] == "ok"
    Rederivation.objects.update(next_attempt_at=Now() - timedelta(minutes=6))
    assert "has waited" in anybody.get("/health/").json()["checks"]["rows to derive anew"]


def test_what_follows_from_an_object_that_is_not_to_be_had(connection: Connection) -> None:
    """A card that Stripe does not know any more is no card of the subscription any more."""
    card = {"id": "pm_gone", "object": "payment_method", "card": {"brand": "visa", "exp_month": 8, "exp_year": 2027}}
    hold(connection, card, subscription(id="sub_1", default_payment_method="pm_gone"))
    rederiving.begin(connection)
    rederiving.drain()
    assert str(RecurringPayment.objects.get().payment_method_expiration) == "2027-08-01"
    RemoteObject.objects.filter(external_id="pm_gone").update(wanted_at=Now())
    fetching.drain()
    row = RecurringPayment.objects.get()
    assert (row.payment_method_expiration, row.payment_method_brand) == (None, "")


def test_the_status_map_is_the_users(
    account: SandboxAccount, stripe: Sandbox, connect: Callable[..., Resource], live_hook: None, marketer_client: Client
) -> None:
    """2.1: editable per connection; rows held are read by it too, by a worker that may die on the way; then events."""
    connection = connect("subscription").connection
    subscribed = account.subscribe(None, amount=2900, currency="eur", trial_days=14)
    stripe.deliver()
    work()
    page = f"/apps/stripe/accounts/{connection.pk}/statuses/"
    usual = {told: str(value) for told, value in recurring.STATUSES.items()}
    assert marketer_client.post(page, usual | {"trialing": "NONSENSE"}).status_code == 422
    assert marketer_client.post(page, usual | {"trialing": "PENDING"}).status_code == 302
    (claimed,) = Rederivation.objects.claim(1)
    assert RecurringPayment.objects.get().normalized_status == usual["trialing"]
    # Its worker is killed here, and comes back by its lease.
    Rederivation.objects.filter(pk=claimed.pk).update(lease_until=Now() - timedelta(seconds=1))
    rederiving.drain()
    assert RecurringPayment.objects.get().normalized_status == "PENDING"
    assert Connection.objects.get().status_map == {"trialing": "PENDING"}
    account.play("end_trial", subscription=subscribed["id"])
    stripe.deliver()
    work()
    assert RecurringPayment.objects.get().normalized_status == "ACTIVE"
