"""The demo's accounts, and the keys worth trying in the wizard. The same on every run, but dated back from today."""

import time

from . import demo_showcase, demo_stories, passing
from .keys import make_secret
from .objects.webhooks import webhook_endpoint
from .world import Account, World

DAY = 86400
NORTHWIND = "Northwind Studio"
HARBOUR = "Harbour Coffee Roasters"
FULL = "Full House Records"
SUNRISE = "Sunrise Yoga"

DEMO_KEYS: dict[str, str] = {
    "northwind": make_secret("secret", True, NORTHWIND, ""),
    "harbour": make_secret("secret", True, HARBOUR, ""),
    "harbour_test": make_secret("secret", False, HARBOUR, ""),
    "expired": make_secret("secret", True, HARBOUR, "expired"),
    "publishable": make_secret("publishable", True, HARBOUR, ""),
    "restricted": make_secret("restricted", True, HARBOUR, "all rights"),
    "without_customers": make_secret("restricted", True, HARBOUR, "without customers"),
    "without_subscriptions": make_secret("restricted", True, HARBOUR, "without subscriptions"),
    "without_webhooks": make_secret("restricted", True, HARBOUR, "without webhooks"),
    "not_activated": make_secret("secret", True, SUNRISE, ""),
    "full_of_endpoints": make_secret("secret", True, FULL, ""),
}
"""Secrets by what they show. Worth nothing outside the sandbox."""

DEMO_NOTES: dict[str, str] = {
    "northwind": "Northwind Studio: about 300 customers; accepts local webhook addresses",
    "harbour": "Harbour Coffee Roasters: the key to paste; refuses local webhook addresses, so events are polled",
    "harbour_test": "Harbour Coffee Roasters in test mode",
    "expired": "an expired key",
    "publishable": "a publishable key",
    "restricted": "a restricted key with every right Millrace asks for",
    "without_customers": "a restricted key that may not read customers",
    "without_subscriptions": "a restricted key that may not read subscriptions",
    "without_webhooks": "a restricted key that may not create webhook endpoints",
    "not_activated": "an account that is not activated",
    "full_of_endpoints": "an account that already has 16 webhook endpoints",
}


def build() -> World:
    """The demo's world: two shops with a past, one full of endpoints, one not activated."""
    world = World()
    now = int(time.time())
    northwind = world.add_account(
        NORTHWIND, email="hello@northwind-studio.example", country="DE", currency="eur", created=now - 800 * DAY
    )
    harbour = world.add_account(
        HARBOUR,
        email="office@harbourcoffee.example",
        country="GB",
        currency="gbp",
        created=now - 620 * DAY,
        local_webhooks=False,
    )
    _add_keys(world, harbour)
    _fill_with_endpoints(world.add_account(FULL, country="US", created=now - 900 * DAY))
    world.add_account(SUNRISE, country="FR", currency="eur", created=now - 2 * DAY, charges_enabled=False)
    demo_stories.tell(northwind.books[True], demo_stories.STUDIO, 300, seed=1)
    demo_stories.tell(harbour.books[True], demo_stories.COFFEE, 120, seed=2)
    demo_stories.tell(harbour.books[False], demo_stories.COFFEE, 24, seed=3)
    demo_showcase.show(northwind.books[True], ("Print box", 2400), tax_percent=19)
    demo_showcase.show(harbour.books[True], ("Monthly crate", 3800), tax_percent=20)
    passing.catch_up(world)
    return world


def _add_keys(world: World, account: Account) -> None:
    world.add_key(account, "secret", True, "expired", expired=True)
    world.add_key(account, "publishable", True)
    world.add_key(account, "restricted", True, "all rights")
    for noun, rights in (("customers", "customer"), ("subscriptions", "subscription"), ("webhooks", "webhook")):
        missing = [f"rak_{rights}_read", f"rak_{rights}_write"]
        world.add_key(account, "restricted", True, f"without {noun}", without=missing)


def _fill_with_endpoints(account: Account) -> None:
    """Sixteen endpoints of other tools, at addresses that are never contacted."""
    for livemode, book in account.books.items():
        for number in range(account.endpoint_cap):
            mode = "live" if livemode else "test"
            url = f"https://tool-{number + 1}.example/{mode}/stripe"
            book.add(webhook_endpoint(book, url, ["invoice.paid"], None, {"description": f"Tool {number + 1}"}))
