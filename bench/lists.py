"""A Stripe that only lists, with next to no cost of its own: python -m bench.lists --templates FILE --people N ...

Its rows are those the sandbox rendered, multiplied: person number n is the n-th newest, and so are their objects, which
look the same wherever they come along. Pages are cut out by `created` and `starting_after`, as Stripe does it, after a
wait of `--latency` milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.shop import numbered

MARK_DIGITS = 7
_MARK = "#MARK#"
# When the n-th object of a person in a list was made, as long as it is not known who it is.
_LEFT_OPEN = re.compile(rb"1999(\d)(\d\d)777")


@dataclass(frozen=True)
class Life:
    """Whose objects there are, and from when. `each`: how many a person has in each list."""

    people: int
    begin: int
    end: int
    each: list[int]

    def created(self, listed: int, place: int) -> int:
        return self.end - (self.end - self.begin) * place // (self.people * self.each[listed])


@dataclass(frozen=True)
class Shelf:
    """All objects of one list, which has this number. `patterns`: of each template person, its objects newest first."""

    number: int
    patterns: list[list[bytes]]
    life: Life

    @property
    def each(self) -> int:
        return self.life.each[self.number]

    @property
    def size(self) -> int:
        return self.life.people * self.each

    def created(self, place: int) -> int:
        return self.life.created(self.number, place)

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
        return _LEFT_OPEN.sub(lambda found: self._when(person, int(found[1]), int(found[2])), body)

    def _when(self, person: int, listed: int, which: int) -> bytes:
        return str(self.life.created(listed, person * self.life.each[listed] + which)).encode()

    def page(self, asked: dict[str, list[str]]) -> bytes:
        def bound(name: str) -> int | None:
            return int(asked[f"created[{name}]"][0]) if f"created[{name}]" in asked else None

        before = bound("lt") or (bound("lte") or self.life.end) + 1
        first = self.first_before(before)
        last = self.first_before(bound("gte") or 0)
        if "starting_after" in asked:
            first = max(first, self.place_of(asked["starting_after"][0]) + 1)
        until = min(last, first + int(asked.get("limit", ["10"])[0]))
        rows = b",".join(self.row(place) for place in range(first, until))
        more = b"true" if until < last else b"false"
        return b'{"object":"list","url":"","has_more":' + more + b',"data":[' + rows + b"]}"


def left_open(listed: int, which: int) -> int:
    """Stands for the time at which the object with this place among a person's in this list was made."""
    return int(f"1999{listed}{which:02d}777")


def pattern(row: Any, times: dict[str, int]) -> str:
    """A row of the sandbox as a template: what is the person's own is marked, and the `times` of objects left open."""
    return numbered(json.dumps(_timed(row, times), separators=(",", ":")), _MARK)


def _timed(value: Any, times: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_timed(inner, times) for inner in value]
    if not isinstance(value, dict):
        return value
    told = {name: _timed(inner, times) for name, inner in value.items()}
    made = times.get(str(value.get("id")))
    return told if made is None else told | {"created": made}


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
    life = Life(people, begin, end, [len(patterns[0]) for patterns in told.values()])
    for number, (path, patterns) in enumerate(told.items()):
        yield path, Shelf(number, [[body.encode() for body in one] for one in patterns], life)


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
