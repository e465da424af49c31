"""A small Stripe of our own, behind HTTP: for the demo, the tests and the benchmarks. Standard library only.

In a process of its own, with a state file and a control page at its address:

    python -m sandbox.stripe --port 4242 --state var/stripe.json --seed demo

Inside a test:

    with serve() as stripe:
        account = stripe.account("main")                      # live mode; account.test is the other
        client = StripeClient(account.key, base_addresses={"api": stripe.base_url})
        customer = account.create_customer(email="mia@shop.example", name="Mia Okafor")
        subscription = account.subscribe(customer["id"], amount=2900, currency="eur", trial_days=14)
        account.update_customer(customer["id"], phone="+49 30 901820")

    stripe.hold()                             # nothing is delivered until:
    attempts = stripe.deliver()               # sends all that waits; [{"event", "type", "endpoint", "status"}, …]
    stripe.deliveries(lose=1)                 # the next one is lost; double=1, delay=2.0, reorder=True, forge=True
    stripe.discard()                          # a missed webhook: the event can be listed but never arrives
    account.resend(event["id"])
    account.alter(customer["id"], event="customer.updated", name="x" * 300)   # any change to any object
    account.emit("order.created", {"id": "or_1", "object": "order"})          # any event about anything
    account.send_raw("{not json")                                             # any body, properly signed
    stripe.faults(status=429, path="/v1/customers", count=2)  # or html, cut, hang, latency, lose_answer
    stripe.account("shy", local_webhooks=False)               # refuses local webhook addresses, as Stripe does
    account.restricted_key(without=["rak_subscription_read"]); account.expired_key(); account.publishable_key()
    stripe.requests("/v1/customers")          # what was asked so far

`connect(base_url)` gives the same object for a sandbox in another process. What each scenario does: `scenarios`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from . import control, server
from .client import Sandbox, SandboxAccount, SandboxError, connect
from .forms import Json
from .world import World

__all__ = ["Sandbox", "SandboxAccount", "SandboxError", "connect", "serve"]


@contextmanager
def serve(world: World | None = None, port: int = 0) -> Iterator[Sandbox]:
    """Serve a sandbox in threads of this process, on a free port unless one is given; empty unless a world is given."""
    world = world or World()
    running = server.start(world, port=port)

    def call(method: str, name: str, arguments: Json) -> Json:
        try:
            return control.ACTIONS[method, name](world, dict(arguments))
        except (KeyError, TypeError, ValueError) as error:
            raise SandboxError(str(error.args[0]) if error.args else type(error).__name__) from error

    try:
        yield Sandbox(running.base_url, call)
    finally:
        server.stop(running)
