"""A shop's billing: the events of a few customers as the sandbox made them, multiplied to as many as are wanted.

A customer signs up a month ago and renews today: one subscription, two invoices, two charges, one card.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.stripe import SandboxAccount

DAY = 86400
TEMPLATES = 16
# What belongs to one customer. Products, prices and the account are everybody's.
_OWN = re.compile(
    r"\b((?:cus|sub|si|in|il|inpay|ch|pi|pm|evt|txn|cs|re|li|seti|iv|sli)_\w+)|([\w.+-]+)@([\w-]+\.example)"
)


@dataclass(frozen=True)
class Delivery:
    """One event as it will be posted. `order`: a doubled delivery has the number of its first."""

    id: str
    body: bytes


def templates(account: SandboxAccount, types: list[str], count: int = TEMPLATES) -> list[list[str]]:
    """The events of `count` customers, each as JSON text in the order they happened; only of the types sent."""
    account.sandbox.hold()
    began = int(time.time()) - 29 * DAY
    told = []
    for number in range(count):
        known = {event["id"] for event in account.events()}
        subscription = account.play("subscribe", amount=900 + 100 * number, product="Studio plan", at=began)
        account.play("renew", subscription=subscription["id"], at=int(time.time()) - DAY)
        told.append([json.dumps(e) for e in account.events() if e["id"] not in known and e["type"] in types])
    account.sandbox.discard()
    return told


def customers(patterns: list[list[str]], count: int, first: int = 0) -> Iterator[list[Delivery]]:
    """`count` customers like the patterns, numbered from `first`; each with its events in order."""
    for number in range(first, first + count):
        yield [_like(text, number) for text in patterns[number % len(patterns)]]


def numbered(text: str, mark: str) -> str:
    """The JSON with everything that belongs to one customer renamed, so that it belongs to another."""
    return _OWN.sub(lambda found: found[1] + mark if found[1] else f"{found[2]}.{mark}@{found[3]}", text)


def _like(text: str, number: int) -> Delivery:
    body = numbered(text, f"{number:06d}")
    return Delivery(_id(body), body.encode())


def _id(body: str) -> str:
    # Stripe writes the event's own id first.
    return body[body.index('"evt_') + 1 :].split('"', 1)[0]


def deliveries(patterns: list[list[str]], people: int, *, first: int = 0, doubled: float = 0.05) -> list[Delivery]:
    """The people's events as they might arrive: interleaved, locally shuffled, some of them twice."""
    chance = random.Random(first + people)  # noqa: S311  the same order in each run
    placed: list[tuple[float, Delivery]] = []
    for number, events in enumerate(customers(patterns, people, first)):
        for position, event in enumerate(events):
            # A hundred people are under way at any time; an event may overtake some twenty others.
            place = number + 100 * position / len(events) + chance.uniform(0, 2)
            placed.append((place, event))
            if chance.random() < doubled:
                placed.append((place + chance.uniform(0, 5), event))
    return [event for _, event in sorted(placed, key=lambda pair: pair[0])]


def average_size(found: list[Delivery]) -> float:
    return sum(len(one.body) for one in found) / max(1, len(found))
