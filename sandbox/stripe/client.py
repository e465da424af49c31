"""The sandbox in Python: `Sandbox` for the whole, `SandboxAccount` for one account in one mode.

Both speak through a `call(method, control, arguments)`: straight into a world in this process (`serve`), or over HTTP
into one that runs elsewhere (`connect`). So what a test learns also drives the demo and the benchmarks.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .forms import Json

Call = Callable[[str, str, Json], Json]


class SandboxError(Exception):
    """The sandbox refused a control call; the text says why."""


def connect(base_url: str) -> "Sandbox":
    """The sandbox that runs at `base_url`."""

    def call(method: str, control: str, arguments: Json) -> Json:
        url = f"{base_url}/_sandbox/{control}"
        if method == "GET" and arguments:
            url += "?" + "&".join(f"{name}={value}" for name, value in arguments.items())
        body = None if method == "GET" else json.dumps(arguments).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - the caller names the sandbox
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise SandboxError(json.load(error)["error"]) from None

    return Sandbox(base_url, call)


class Sandbox:
    """A running sandbox. `base_url` is what the official client takes as its API address."""

    def __init__(self, base_url: str, call: Call) -> None:
        self.base_url = base_url
        self.call = call

    def account(self, name: str = "main", livemode: bool = True, **settings: Any) -> "SandboxAccount":
        """The account of that name, made on first use. settings: country, currency, api_version, local_webhooks, …"""
        found = self.call("POST", "accounts", {"name": name, **settings})
        return SandboxAccount(self, found["name"], found["id"], livemode)

    def faults(self, **fault: Any) -> None:
        """Order a fault: `faults(status=429, path="/v1/customers", count=2)`; see `faults.Fault` for every field."""
        self.call("POST", "faults", fault)

    def clear_faults(self) -> None:
        self.call("DELETE", "faults", {})

    def deliveries(self, **knobs: Any) -> Json:
        """Turn the knobs of delivery: `deliveries(automatic=False)`; see `deliveries.Knobs`. Returns their state."""
        return self.call("POST", "deliveries", knobs)

    def hold(self) -> None:
        """Send nothing until `deliver`."""
        self.deliveries(automatic=False)

    def deliver(self) -> list[Json]:
        """Send all that waits, now and here; returns the attempts: event, type, endpoint, status, answer."""
        attempts: list[Json] = self.call("POST", "deliver", {})["attempts"]
        return attempts

    def discard(self) -> int:
        """Forget all deliveries that wait, as if Stripe had given up. The events can still be listed."""
        return int(self.call("POST", "discard", {})["discarded"])

    def attempts(self) -> list[Json]:
        """The latest delivery attempts, oldest first."""
        found: list[Json] = self.call("GET", "attempts", {})["attempts"]
        return found

    def requests(self, path: str = "") -> list[Json]:
        """API requests so far whose path begins with `path`: method, path, query, status, account, key."""
        found = self.call("GET", "requests", {})["requests"]
        return [request for request in found if request["path"].startswith(path)]

    def clear_requests(self) -> None:
        self.call("DELETE", "requests", {})

    def set_clock(self, seconds_ahead: int) -> None:
        """Move the sandbox's clock (created, Date) ahead of the real one; negative: behind."""
        self.call("POST", "clock", {"offset": seconds_ahead})


@dataclass(frozen=True)
class SandboxAccount:
    """One account in one mode. Scenarios return the object they made or changed, as a dictionary.

    Every scenario takes `at=` (Unix seconds); what is played over an hour in the past is not delivered.
    """

    sandbox: Sandbox
    name: str
    id: str
    livemode: bool = True

    @property
    def test(self) -> "SandboxAccount":
        return SandboxAccount(self.sandbox, self.name, self.id, False)

    @property
    def live(self) -> "SandboxAccount":
        return SandboxAccount(self.sandbox, self.name, self.id, True)

    @property
    def key(self) -> str:
        """The secret key of this mode."""
        return self.new_key("secret")

    def new_key(self, kind: str, **settings: Any) -> str:
        """A key by kind: secret, restricted, publishable. settings: label, only, without (permissions), expired."""
        arguments = {"account": self.id, "kind": kind, "livemode": self.livemode, **settings}
        return str(self.sandbox.call("POST", "keys", arguments)["secret"])

    def restricted_key(self, without: Iterable[str] = (), only: Iterable[str] | None = None) -> str:
        """A restricted key that may do everything `without` some rak_… permissions, or `only` those given."""
        label = " ".join(("only", *only) if only is not None else ("without", *without))
        chosen = {"without": list(without), "only": None if only is None else list(only)}
        return self.new_key("restricted", label=label, **chosen)

    def expired_key(self) -> str:
        return self.new_key("secret", label="expired", expired=True)

    def publishable_key(self) -> str:
        return self.new_key("publishable")

    def play(self, scenario: str, **arguments: Any) -> Json:
        """Play any scenario by name; the methods below are the common ones. See `scenarios.SCENARIOS`."""
        where = {"account": self.id, "livemode": self.livemode, "scenario": scenario}
        return self.sandbox.call("POST", "play", {**where, **arguments})

    def objects(self, type_name: str) -> list[Json]:
        """Everything of a type, newest first: customer, charge, checkout.session, webhook_endpoint, …"""
        where = {"account": self.id, "livemode": self.livemode, "type": type_name}
        found: list[Json] = self.sandbox.call("GET", "objects", where)["objects"]
        return found

    def events(self, type_name: str = "") -> list[Json]:
        """Events of the last 30 days, oldest first, of one type if given."""
        found = reversed(self.objects("event"))
        return [event for event in found if type_name in ("", event["type"])]

    def resend(self, event: str, endpoint: str | None = None) -> int:
        """Queue an event again, for all endpoints that want it or for one; returns how many."""
        where = {"account": self.id, "livemode": self.livemode, "event": event, "endpoint": endpoint}
        return int(self.sandbox.call("POST", "resend", where)["queued"])

    def alter(self, object_id: str, event: str | None = None, **changes: Any) -> Json:
        """Change any object in any way; with its event if one is named. For what Stripe might send one day."""
        return self.play("alter", object=object_id, event=event, changes=changes)

    def emit(self, type_name: str, obj: Json, previous_attributes: Json | None = None) -> Json:
        """Send an event of any type about anything; returns it."""
        return self.play("emit", type=type_name, object=obj, previous_attributes=previous_attributes)

    def send_raw(self, body: str) -> list[int]:
        """Post any text, properly signed, to every endpoint of this account and mode; returns the statuses."""
        where = {"account": self.id, "livemode": self.livemode, "body": body}
        found: list[int] = self.sandbox.call("POST", "send_raw", where)["statuses"]
        return found

    def create_customer(self, **given: Any) -> Json:
        """Parameters as in POST /v1/customers; none: an invented person."""
        return self.play("create_customer", **given)

    def update_customer(self, customer: str, **given: Any) -> Json:
        return self.play("update_customer", customer=customer, **given)

    def delete_customer(self, customer: str) -> Json:
        return self.play("delete_customer", customer=customer)

    def grow(self, count: int) -> int:
        """Add `count` customers in the past, without events; returns how many there are."""
        return int(self.play("grow", count=count)["customers"])

    def subscribe(self, customer: str | None = None, **given: Any) -> Json:
        """given: amount, currency, interval, product, quantity, prices, trial_days, coupon, metadata, paid."""
        return self.play("subscribe", customer=customer, **given)

    def modify_subscription(self, subscription: str, **given: Any) -> Json:
        return self.play("modify_subscription", subscription=subscription, **given)

    def renew(self, subscription: str, **given: Any) -> Json:
        return self.play("renew", subscription=subscription, **given)

    def fail_payment(self, subscription: str, **given: Any) -> Json:
        return self.play("fail_payment", subscription=subscription, **given)

    def recover(self, subscription: str, **given: Any) -> Json:
        return self.play("recover", subscription=subscription, **given)

    def give_up(self, subscription: str, **given: Any) -> Json:
        return self.play("give_up", subscription=subscription, **given)

    def cancel(self, subscription: str, at_period_end: bool = False, **given: Any) -> Json:
        return self.play("cancel", subscription=subscription, at_period_end=at_period_end, **given)

    def pause(self, subscription: str, **given: Any) -> Json:
        return self.play("pause", subscription=subscription, **given)

    def resume(self, subscription: str, **given: Any) -> Json:
        return self.play("resume", subscription=subscription, **given)

    def charge(self, customer: str | None = None, **given: Any) -> Json:
        """A charge without invoice: amount, currency, description, receipt_email, succeed."""
        return self.play("one_off_charge", customer=customer, **given)

    def refund(self, charge: str, amount: int | None = None, **given: Any) -> Json:
        return self.play("refund", charge=charge, amount=amount, **given)

    def dispute(self, charge: str, **given: Any) -> Json:
        return self.play("dispute", charge=charge, **given)

    def buy(self, **given: Any) -> Json:
        """Checkout: email, name (guest) or customer; mode, amount, currency, product, delayed, shipping, promotions."""
        return self.play("buy", **given)
