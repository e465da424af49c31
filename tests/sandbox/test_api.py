"""The official client, unmodified but for its base address, against the sandbox's API."""

import threading
from collections.abc import Callable

import pytest
import stripe as official
from stripe import StripeClient

from sandbox.stripe import Sandbox, SandboxAccount

ClientFor = Callable[[str], StripeClient]


def test_the_account_tells_its_name(client: StripeClient, account: SandboxAccount) -> None:
    found = client.v1.accounts.retrieve_current()
    assert (found.id, found.settings.dashboard.display_name) == (account.id, "main")


def test_pages_follow_each_other_newest_first(client: StripeClient, account: SandboxAccount) -> None:
    made = [
        account.create_customer(email=f"{number}@shop.example", at=1_700_000_000 + number // 2)["id"]
        for number in range(25)
    ]
    listed = [customer.id for customer in client.v1.customers.list({"limit": 7}).auto_paging_iter()]
    assert listed == made[::-1]


def test_ending_before_pages_back_towards_the_newest(client: StripeClient, account: SandboxAccount) -> None:
    made = [account.create_customer(email=f"{number}@shop.example")["id"] for number in range(6)]
    page = client.v1.customers.list({"limit": 2, "ending_before": made[1]})
    assert [customer.id for customer in page.data] == [made[3], made[2]]
    assert page.has_more


def test_created_bounds_and_customer_filter(client: StripeClient, account: SandboxAccount) -> None:
    for moment in (100, 200, 300):
        account.create_customer(email="a@shop.example", at=1_700_000_000 + moment)
    bounds = {"gte": 1_700_000_100, "lt": 1_700_000_300}
    assert len(client.v1.customers.list({"created": bounds}).data) == 2
    first, second = account.subscribe(), account.subscribe()
    found = client.v1.subscriptions.list({"customer": second["customer"]})
    assert [one.id for one in found.data] == [second["id"]]
    assert client.v1.invoices.list({"subscription": first["id"]}).data[0].customer == first["customer"]


def test_an_unknown_cursor_is_refused_by_name(client: StripeClient) -> None:
    with pytest.raises(official.InvalidRequestError) as refused:
        client.v1.customers.list({"starting_after": "cus_unknown"})
    assert (refused.value.http_status, refused.value.param, refused.value.code) == (
        400,
        "starting_after",
        "resource_missing",
    )


def test_cancelled_subscriptions_are_listed_only_when_asked_for(client: StripeClient, account: SandboxAccount) -> None:
    account.cancel(account.subscribe()["id"])
    assert client.v1.subscriptions.list().data == []
    assert client.v1.subscriptions.list({"status": "all"}).data[0].status == "canceled"


def test_expansions_bring_objects_and_hidden_lists(client: StripeClient, account: SandboxAccount) -> None:
    subscription = account.subscribe()
    paths = ["data.customer", "data.latest_invoice.payments", "data.default_payment_method"]
    found = client.v1.subscriptions.list({"expand": paths}).data[0]
    assert found.customer.id == subscription["customer"]
    assert found.default_payment_method.card.last4
    assert found.latest_invoice.payments.data[0].payment.type == "payment_intent"


def test_a_discount_expands_to_its_coupon(client: StripeClient, account: SandboxAccount) -> None:
    coupon = account.play("add_coupon", id="SPRING", percent_off=10)
    account.subscribe(coupon=coupon["id"])
    found = client.v1.subscriptions.list({"expand": ["data.discounts.source.coupon"]}).data[0]
    assert found.discounts[0].source.coupon.percent_off == 10


def test_a_deleted_customer_expands_to_its_stub(client: StripeClient, account: SandboxAccount) -> None:
    account.delete_customer(account.subscribe()["customer"])
    paths = ["data.customer", "data.customer.invoice_settings.default_payment_method"]
    assert client.v1.invoices.list({"expand": paths}).data[0].customer.deleted


def test_a_fifth_level_is_refused(client: StripeClient, account: SandboxAccount) -> None:
    account.subscribe()
    client.v1.subscriptions.list({"expand": ["data.latest_invoice.payments"]})
    with pytest.raises(official.InvalidRequestError, match="more than 4 levels"):
        client.v1.subscriptions.list({"expand": ["data.items.data.price.product"]})


def test_refused_keys_are_refused_in_stripes_words(account: SandboxAccount, client_for: ClientFor) -> None:
    for key, error, text in (
        ("sk_live_nobody0000", official.AuthenticationError, "Invalid API Key provided: sk_live_"),
        (account.expired_key(), official.AuthenticationError, "Expired API Key provided"),
        (account.publishable_key(), official.PermissionError, "publishable API key"),
        (
            account.restricted_key(without=["rak_customer_read", "rak_customer_write"]),
            official.PermissionError,
            "'rak_customer_read'",
        ),
    ):
        with pytest.raises(error, match=text):
            client_for(key).v1.customers.list()


def test_a_restricted_key_may_not_expand_what_it_may_not_read(account: SandboxAccount, client_for: ClientFor) -> None:
    account.subscribe()
    client = client_for(account.restricted_key(only=["rak_subscription_read"]))
    assert client.v1.subscriptions.list().data
    with pytest.raises(official.PermissionError, match="rak_customer_read"):
        client.v1.subscriptions.list({"expand": ["data.customer"]})


def test_live_and_test_mode_do_not_see_each_other(client: StripeClient, account: SandboxAccount) -> None:
    other = account.test.create_customer(email="a@shop.example")
    assert other["livemode"] is False
    with pytest.raises(official.InvalidRequestError, match="a similar object exists in test mode") as refused:
        client.v1.customers.retrieve(other["id"])
    assert refused.value.http_status == 404


def test_a_deleted_customer_is_a_stub_and_no_cursor(client: StripeClient, account: SandboxAccount) -> None:
    subscription = account.subscribe()
    client.v1.customers.delete(subscription["customer"])
    assert client.v1.customers.retrieve(subscription["customer"]).deleted
    assert client.v1.customers.list().data == []
    assert client.v1.subscriptions.retrieve(subscription["id"]).status == "canceled"
    with pytest.raises(official.InvalidRequestError):
        client.v1.customers.list({"starting_after": subscription["customer"]})


def test_a_customer_is_created_and_changed_over_the_api(client: StripeClient) -> None:
    made = client.v1.customers.create({"email": "a@shop.example", "metadata": {"plan": "free", "old": "x"}})
    changed = client.v1.customers.update(made.id, {"phone": "+44 20", "metadata": {"plan": "team", "old": ""}})
    assert (changed.phone, changed.metadata.to_dict()) == ("+44 20", {"plan": "team"})
    event = client.v1.events.list({"types": ["customer.updated"]}).data[0]
    assert event.data.previous_attributes.to_dict() == {"metadata": {"old": "x", "plan": "free"}, "phone": None}
    assert event.request.id.startswith("req_")


def test_a_parameter_stripe_does_not_know_is_refused(client: StripeClient) -> None:
    with pytest.raises(official.InvalidRequestError, match="unknown parameter: colour"):
        client.v1.customers.create({"colour": "red"})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(official.InvalidRequestError, match="Invalid email address"):
        client.v1.customers.create({"email": "nobody"})
    assert client.v1.customers.create().email is None


def test_a_payment_leads_to_its_invoice(client: StripeClient, account: SandboxAccount) -> None:
    account.subscribe()
    subscription = account.subscribe()
    charge = client.v1.charges.list({"customer": subscription["customer"]}).data[0]
    payment = {"type": "payment_intent", "payment_intent": charge.payment_intent}
    found = client.v1.invoice_payments.list({"payment": payment}).data
    assert [tie.invoice for tie in found] == [subscription["latest_invoice"]]


def test_events_can_be_asked_for_by_type(client: StripeClient, account: SandboxAccount) -> None:
    account.subscribe()
    assert {event.type for event in client.v1.events.list({"type": "invoice.*"}).data} == {
        "invoice.created",
        "invoice.finalized",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    }
    account.create_customer(email="old@shop.example", at=1_600_000_000)
    assert "old@shop.example" not in str(client.v1.events.list({"types": ["customer.created"], "limit": 100}))


def test_answers_carry_request_id_date_and_version(client: StripeClient) -> None:
    headers = {name.lower(): value for name, value in client.v1.customers.list().last_response.headers.items()}
    assert headers["request-id"].startswith("req_")
    assert headers["stripe-version"] == official.api_version
    assert headers["date"].endswith("GMT")


def test_faults_spoil_as_many_answers_as_ordered(stripe: Sandbox, client: StripeClient) -> None:
    stripe.faults(status=429, path="/v1/customers", count=2, retry_after="1")
    for _ in range(2):
        with pytest.raises(official.RateLimitError) as refused:
            client.v1.customers.list()
        assert refused.value.headers["retry-after"] == "1"
        client.v1.charges.list()
    assert client.v1.customers.list().data == []


@pytest.mark.parametrize("fault", [{"cut": True}, {"hang": True}])
def test_a_broken_answer_is_a_connection_error(stripe: Sandbox, client: StripeClient, fault: dict[str, bool]) -> None:
    stripe.faults(**fault)
    with pytest.raises(official.APIConnectionError):
        client.v1.customers.list()


def test_html_in_place_of_json_is_an_api_error(stripe: Sandbox, client: StripeClient) -> None:
    stripe.faults(html=True)
    with pytest.raises(official.APIError):
        client.v1.customers.list()


def test_a_lost_answer_has_done_its_work(stripe: Sandbox, client: StripeClient) -> None:
    stripe.faults(lose_answer=True, method="POST")
    with pytest.raises(official.APIConnectionError):
        client.v1.customers.create({"email": "a@shop.example"})
    assert len(client.v1.customers.list().data) == 1


def test_a_hundred_thousand_customers_grow_in_seconds(account: SandboxAccount, client: StripeClient) -> None:
    assert account.grow(100_000) == 100_000
    page = client.v1.customers.list({"limit": 100})
    assert len({customer.email for customer in page.data}) == 100
    changed = client.v1.customers.update(page.data[7].id, {"name": "Someone Else"})
    assert client.v1.customers.list({"limit": 8}).data[7].name == changed.name


def test_requests_are_answered_side_by_side(stripe: Sandbox, client: StripeClient) -> None:
    """Latency is waited for outside the lock: sixteen slow requests overlap."""
    stripe.faults(latency=300, count=0, path="/v1/customers")
    gate = threading.Barrier(17)
    done: list[int] = []

    def ask() -> None:
        gate.wait()
        done.append(len(client.v1.customers.list().data))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    gate.wait()
    for thread in threads:
        thread.join(3)
    assert len(done) == 16
