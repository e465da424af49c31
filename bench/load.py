"""Posts signed deliveries over kept connections, as many at a time as asked, and takes the time of each answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.shop import Delivery


@dataclass
class Answers:
    """`seconds`: one per answer. `statuses`: how many of each."""

    took: float = 0.0
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.took if self.took else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0


def post(
    port: int, path: str, deliveries: list[Delivery], secret: str, *, at_once: int, per_second: float = 0
) -> Answers:
    """Post them all. `per_second` spreads them evenly; 0 is as fast as they are taken."""
    return asyncio.run(_post(port, path, deliveries, secret, at_once, per_second))


async def _post(
    port: int, path: str, deliveries: list[Delivery], secret: str, at_once: int, per_second: float
) -> Answers:
    answers = Answers()
    waiting = iter(deliveries)
    started = time.perf_counter()
    sent = 0

    async def one_connection() -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for delivery in waiting:
                place, sent = sent, sent + 1
                if per_second and (early := started + place / per_second - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                began = time.perf_counter()
                writer.write(_request(path, delivery.body, secret))
                status, keeps = await _answer(reader)
                answers.seconds.append(time.perf_counter() - began)
                answers.statuses[status] += 1
                if not keeps:
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
        finally:
            writer.close()

    await asyncio.gather(*(one_connection() for _ in range(at_once)))
    answers.took = time.perf_counter() - started
    return answers


def _request(path: str, body: bytes, secret: str) -> bytes:
    now = int(time.time())
    signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: t={now},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = head.split("\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
    if length:
        await reader.readexactly(length)
    return int(lines[0].split(" ", 2)[1]), "connection: close" not in head
