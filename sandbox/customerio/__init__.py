"""A small Customer.io of our own, behind HTTP: its Track API in two regions. Standard library only.

    with serve() as customerio:
        account = customerio.account("eu")                 # .site_id, .api_key
        customerio.base_url + "/{region}"                  # where the API answers
        customerio.people(account); customerio.events(account)
        customerio.fault(status=429, count=2, headers={"Retry-After": "3"})
        customerio.fault(lose_answer=True)                 # taken, but the answer never arrives
        account.api_key = "another"                        # the old one is refused from now on

In a process of its own: python -m sandbox.customerio --port 8102 --state var/customerio.json
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox import listening
from sandbox.customerio.world import Account, World
from sandbox.listening import Fault, Json, Request

__all__ = ["Account", "Customerio", "World", "serve"]


class Customerio:
    """A running one, as tests use it."""

    def __init__(self, base_url: str, world: World) -> None:
        self.base_url, self.world = base_url, world

    def account(self, region: str = "us") -> Account:
        return self.world.add_account(region)

    def people(self, account: Account) -> dict[str, Json]:
        """Identifier -> attributes."""
        return dict(account.people)

    def events(self, account: Account) -> list[Json]:
        return list(account.events)

    def requests(self) -> list[Request]:
        return list(self.world.requests)

    def fault(self, **values: Any) -> None:
        self.world.faults.add(Fault(**values))

    def mend(self) -> None:
        self.world.faults.clear()


@contextmanager
def serve(world: World | None = None, port: int = 0) -> Iterator[Customerio]:
    world = world or World()
    server = listening.start(world.answer, world.control, world.faults, port=port)
    try:
        yield Customerio(server.base_url, world)
    finally:
        listening.stop(server)
