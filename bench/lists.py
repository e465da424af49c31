"""A Stripe that only lists, with next to no cost of its own: python -m bench.lists --templates FILE --people N ...

Its rows are those the sandbox rendered, multiplied: person number n is the n-th newest, and so are their objects. Pages
are cut out by `created` and `starting_after`, as Stripe does it, after a wait of `--latency` milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.shop import numbered

MARK_DIGITS = 7
_MARK, _CREATED = "#MARK#", 1_999_999_999


@dataclass(frozen=True)
class Shelf:
    """All objects of one list. `patterns`: of each template person, its objects newest first."""

    patterns: list[list[bytes]]
    people: int
    begin: int
    end: int

    @property
    def each(self) -> int:
        return len(self.patterns[0])

    @property
    def size(self) -> int:
        return self.people * self.each

    def created(self, place: int) -> int:
        return self.end - (self.end - self.begin) * place // self.size

    def first_before(self, moment: int) -> int:
        """The place of the newest object that was created before then."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if self.created(middle) < moment:
                high = middle
            else:
                low = middle + 1
        return low

    def place_of(self, object_id: str) -> int:
        person = int(object_id[-MARK_DIGITS:])
        pattern = self.patterns[person % len(self.patterns)]
        name = f'"{object_id[:-MARK_DIGITS]}{_MARK}"'.encode()
        return person * self.each + next(i for i, body in enumerate(pattern) if name in body[:200])

    def row(self, place: int) -> bytes:
        person, which = divmod(place, self.each)
        body = self.patterns[person % len(self.patterns)][which]
        body = body.replace(_MARK.encode(), f"{person:0{MARK_DIGITS}d}".encode())
        return body.replace(str(_CREATED).encode(), str(self.created(place)).encode())

    def page(self, asked: dict[str, list[str]]) -> bytes:
        def bound(name: str) -> int | None:
            return int(asked[f"created[{name}]"][0]) if f"created[{name}]" in asked else None

        before = bound("lt") or (bound("lte") or self.end) + 1
        first = self.first_before(before)
        last = self.first_before(bound("gte") or 0)
        if "starting_after" in asked:
            first = max(first, self.place_of(asked["starting_after"][0]) + 1)
        until = min(last, first + int(asked.get("limit", ["10"])[0]))
        rows = b",".join(self.row(place) for place in range(first, until))
        more = b"true" if until < last else b"false"
        return b'{"object":"list","url":"","has_more":' + more + b',"data":[' + rows + b"]}"


def pattern(row: dict[str, object]) -> str:
    """A row of the sandbox as a template: what is the person's own is marked, and its time left open."""
    return numbered(json.dumps({**row, "created": _CREATED}, separators=(",", ":")), _MARK)


class Server(asyncio.Protocol):
    def __init__(self, shelves: dict[str, Shelf], others: dict[str, bytes], latency: float) -> None:
        self._shelves, self._others, self._latency = shelves, others, latency
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            asyncio.get_running_loop().call_later(self._latency, self._answer, target)

    def _answer(self, target: str) -> None:
        where = urlsplit(target)
        shelf = self._shelves.get(where.path)
        status, body = "200 OK", self._others.get(where.path, b"")
        if shelf:
            body = shelf.page(parse_qs(where.query))
        elif not body:
            status, body = "404 Not Found", b'{"error":{"type":"invalid_request_error","code":"resource_missing"}}'
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: {formatdate(usegmt=True)}\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)  # type: ignore[attr-defined]


def shelves(told: dict[str, list[list[str]]], people: int, begin: int, end: int) -> Iterator[tuple[str, Shelf]]:
    for path, patterns in told.items():
        yield path, Shelf([[body.encode() for body in one] for one in patterns], people, begin, end)


async def _serve(chosen: argparse.Namespace) -> None:
    told = json.loads(chosen.templates.read_text())
    stock = dict(shelves(told["lists"], chosen.people, chosen.begin, chosen.end))
    others = {path: body.encode() for path, body in told["others"].items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(stock, others, chosen.latency / 1000), "127.0.0.1", chosen.port, backlog=100
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--begin", type=int, required=True, help="when the oldest object was made")
    parser.add_argument("--end", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds")
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
