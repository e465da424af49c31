"""The control page: plain HTML and forms, no script. A tool for whoever tries the demo."""

from collections.abc import Callable
from html import escape
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from . import page_parts, scenarios
from .forms import Json, decode

if TYPE_CHECKING:
    from .book import Book
    from .world import World


USABLE: dict[str, Callable[[Json], bool]] = {
    "subscription": lambda row: row["status"] in ("active", "trialing", "past_due", "paused"),
    "charge": lambda row: row["status"] == "succeeded" and not row["refunded"] and not row["disputed"],
}
"""What the buttons can act on, by type."""


def render(world: "World", base_url: str, query: str) -> str:
    """The page for the account and mode in `query`; the first account if none is named."""
    asked = decode(query)
    account = world.account(asked.get("account", "")) or next(iter(world.accounts.values()), None)
    if account is None:
        return page_parts.frame(
            "<p>No account yet. Make one with POST /_sandbox/accounts.</p>", asked.get("told", ""), base_url
        )
    livemode = asked.get("mode") != "test"
    parts = [
        page_parts.tabs(world, account, livemode),
        page_parts.keys(account, livemode),
        page_parts.buttons(account, livemode, newest(account.books[livemode])),
        page_parts.knobs(world, account, livemode),
        page_parts.endpoints(account.books[livemode]),
        page_parts.recent_events(world, account.books[livemode]),
    ]
    return page_parts.frame("".join(parts), asked.get("told", ""), base_url)


def address(back: Json, told: str) -> str:
    """The page's address with a word about what happened."""
    return "/?" + urlencode({**back, "told": told})


def newest(book: "Book") -> Json:
    """What the buttons act on: the newest customer, running subscription, chargeable charge."""
    found: Json = {
        "customer": next(book.collection("customer").newest_first(), None),
        "subscription": None,
        "charge": None,
    }
    for name, test in USABLE.items():
        found[name] = next(filter(test, islice(book.collection(name).newest_first(), 500)), None)
    return found


def press(world: "World", name: str, back: Json, given: Json) -> str:
    """Do what a button says; returns the sentence that tells of it."""
    given = {key: value for key, value in given.items() if value != ""}
    with world.lock:
        account = world.account(back.get("account", ""))
        if account is None:
            return "There is no such account."
        book = account.books[back.get("mode") != "test"]
    try:
        return _press(world, book, name, given)
    except (KeyError, TypeError, ValueError) as error:
        return f"Not done: {error.args[0] if error.args else error}"


def _press(world: "World", book: "Book", name: str, given: Json) -> str:
    if name == "resend":
        with world.lock:
            count = world.deliveries.enqueue(book, book.must(given["event"]))
        return f"Event queued for {count} endpoint{'' if count == 1 else 's'}."
    if name == "fault":
        with world.lock:
            world.faults.order(account=book.account.id, status=int(given["status"]), count=int(given.get("count", 1)))
        return f"The next {given.get('count', 1)} API answers of this account will be {escape(given['status'])}."
    if name == "clear":
        with world.lock:
            world.faults.clear()
        return "No faults any more."
    if name == "knobs":
        world.deliveries.configure(**{key: _number(value) for key, value in given.items()})
        return "Deliveries are set."
    if name == "deliver":
        return f"{len(world.deliveries.send_due())} deliveries sent."
    made = scenarios.play(book, name, **given)
    return f"Done: {name.replace('_', ' ')} {made.get('id', made.get('customers', ''))}"


def _number(value: str) -> float | bool:
    return value == "true" if value in ("true", "false") else float(value)
