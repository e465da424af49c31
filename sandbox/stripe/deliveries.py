"""Deliveries: signed POSTs of events to the endpoints that want them, retried, and spoiled on request.

Automatic (the default): a few threads send what is due. Held (`automatic` off): nothing moves until `send_due`,
which sends in the calling thread and returns what happened; tests use this.
"""

import heapq
import itertools
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import events, posting
from .forms import Json
from .shapes import render_event

if TYPE_CHECKING:
    from .book import Book
    from .world import World

KEPT_ATTEMPTS = 500


@dataclass
class Knobs:
    """How deliveries behave. lose, double: a count of deliveries still to spoil, or below 1 their share.

    lose: it never arrives and is not retried; double: it arrives twice; delay: seconds before it is sent
    reorder: held ones go newest first, automatic ones up to two seconds late; retry_after: seconds before the first
    retry, doubling up to longest_pause; attempts: tries in all; timeout: seconds to wait for an answer; forge: signed
    with a wrong secret
    """

    automatic: bool = True
    lose: float = 0
    double: float = 0
    delay: float = 0
    reorder: bool = False
    retry_after: float = 1
    longest_pause: float = 3600
    attempts: int = 8
    timeout: float = 10
    forge: bool = False


@dataclass(order=True)
class Delivery:
    due: float
    number: int
    book: "Book" = field(compare=False)
    event_id: str = field(compare=False)
    endpoint_id: str = field(compare=False)
    attempt: int = field(default=1, compare=False)


class Deliveries:
    def __init__(self, world: "World") -> None:
        self.world = world
        self.knobs = Knobs()
        self.waiting: list[Delivery] = []
        self.attempts: list[Json] = []
        self.numbers = itertools.count(1)
        self.dice = random.Random(20261028)  # noqa: S311 - repeatable on purpose
        self.wake = threading.Condition(world.lock)
        self.stopped = False
        self.in_flight = 0
        self.pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sandbox-delivery")
        self.clock: threading.Thread | None = None

    def start(self) -> None:
        self.clock = threading.Thread(target=self._run, name="sandbox-deliveries", daemon=True)
        self.clock.start()

    def resume(self) -> None:
        """Queue again what a sandbox that ended still owed: its events with pending webhooks."""
        for book in self.world.books():
            for event in book.collection("event").newest_first():
                if event["pending_webhooks"]:
                    events.count_pending(book, event["id"], -event["pending_webhooks"])
                    self.enqueue(book, event)

    def stop(self) -> None:
        with self.wake:
            self.stopped = True
            self.wake.notify_all()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def configure(self, **knobs: object) -> None:
        """Turn knobs; TypeError names an unknown one."""
        with self.wake:
            self.knobs = Knobs(**{**self.knobs.__dict__, **knobs})
            self.wake.notify_all()

    def enqueue(self, book: "Book", event: Json, only: str | None = None) -> int:
        """Queue an event for every enabled endpoint that wants its type (or for one); returns how many."""
        endpoints = [
            endpoint
            for endpoint in book.collection("webhook_endpoint").newest_first()
            if endpoint["status"] == "enabled" and _wants(endpoint, event["type"]) and only in (None, endpoint["id"])
        ]
        for endpoint in endpoints:
            self._queue(Delivery(self._due(), next(self.numbers), book, event["id"], endpoint["id"]))
        if endpoints:
            events.count_pending(book, event["id"], len(endpoints))
        return len(endpoints)

    def send_due(self, everything: bool = True) -> list[Json]:
        """Send what waits (also what is not due yet, if `everything`), here and now; returns the attempts."""
        with self.wake:
            taken = sorted(self.waiting)
            if not everything:
                taken = [delivery for delivery in taken if delivery.due <= time.monotonic()]
            self.waiting = [delivery for delivery in self.waiting if delivery not in taken]
            heapq.heapify(self.waiting)
        if self.knobs.reorder:
            taken.reverse()
        return [attempt for delivery in taken for attempt in self._send(delivery)]

    def discard(self) -> int:
        """Forget everything that waits, as if Stripe had given up; returns how many."""
        with self.wake:
            gone, self.waiting = self.waiting, []
            for delivery in gone:
                events.count_pending(delivery.book, delivery.event_id, -1)
        return len(gone)

    def idle(self) -> bool:
        with self.wake:
            return not self.waiting and not self.in_flight

    def _due(self) -> float:
        late = self.dice.uniform(0, 2) if self.knobs.reorder and self.knobs.automatic else 0
        return time.monotonic() + self.knobs.delay + late

    def _queue(self, delivery: Delivery) -> None:
        with self.wake:
            heapq.heappush(self.waiting, delivery)
            self.wake.notify_all()

    def _run(self) -> None:
        while True:
            with self.wake:
                while not self.stopped and not self._ready():
                    self.wake.wait(self._pause())
                if self.stopped:
                    return
                delivery = heapq.heappop(self.waiting)
                self.in_flight += 1
            self.pool.submit(self._send_automatic, delivery)

    def _ready(self) -> bool:
        return self.knobs.automatic and bool(self.waiting) and self.waiting[0].due <= time.monotonic()

    def _pause(self) -> float | None:
        if not self.knobs.automatic or not self.waiting:
            return None
        return max(0.001, self.waiting[0].due - time.monotonic())

    def _send_automatic(self, delivery: Delivery) -> None:
        try:
            self._send(delivery)
        finally:
            with self.wake:
                self.in_flight -= 1

    def _send(self, delivery: Delivery) -> list[Json]:
        with self.world.lock:
            book, knobs = delivery.book, self.knobs
            endpoint = book.get("webhook_endpoint", delivery.endpoint_id)
            event = book.get("event", delivery.event_id)
            if endpoint is None or endpoint["status"] != "enabled" or event is None:
                events.count_pending(book, delivery.event_id, -1)
                return []
            if self._spoil("lose"):
                events.count_pending(book, event["id"], -1)
                return [self._note(delivery, event, endpoint, 0, "lost")]
            times = 2 if self._spoil("double") else 1
            secret = "whsec_wrong" if knobs.forge else book.secrets[endpoint["id"]]
            body = json.dumps(render_event(book, event, endpoint["api_version"]), indent=2).encode()
        results = [posting.post(endpoint["url"], body, secret, knobs.timeout) for _ in range(times)]
        with self.world.lock:
            notes = [self._note(delivery, event, endpoint, status, answer) for status, answer in results]
            self._settle(delivery, any(200 <= status < 300 for status, _ in results))
        return notes

    def _settle(self, delivery: Delivery, accepted: bool) -> None:
        if accepted:
            events.count_pending(delivery.book, delivery.event_id, -1)
        elif delivery.attempt < self.knobs.attempts:
            pause = self.knobs.retry_after * 2 ** (delivery.attempt - 1)
            delivery.due = time.monotonic() + min(pause, self.knobs.longest_pause)
            delivery.attempt += 1
            self._queue(delivery)

    def _spoil(self, name: str) -> bool:
        """Whether this delivery is to be spoiled: by share, or one off the count."""
        amount = getattr(self.knobs, name)
        if 0 < amount < 1:
            return bool(self.dice.random() < amount)
        if amount >= 1:
            setattr(self.knobs, name, amount - 1)
            return True
        return False

    def _note(self, delivery: Delivery, event: Json, endpoint: Json, status: int, answer: str) -> Json:
        note = {
            "event": event["id"],
            "type": event["type"],
            "endpoint": endpoint["id"],
            "url": endpoint["url"],
            "attempt": delivery.attempt,
            "status": status,
            "answer": answer,
            "time": self.world.now(),
        }
        self.attempts = [*self.attempts[-KEPT_ATTEMPTS:], note]
        return note


def _wants(endpoint: Json, type_name: str) -> bool:
    return "*" in endpoint["enabled_events"] or type_name in endpoint["enabled_events"]
