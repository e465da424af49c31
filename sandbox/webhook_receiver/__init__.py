"""Somebody else's webhook endpoint, behind HTTP: keeps what arrives and looks at each signature.

    with serve(secret="whsec_…") as receiver:
        receiver.url                                # where to post
        receiver.messages()                         # each with headers, body, and whether its signature is right
        receiver.fault(status=503, count=2)         # or headers={"Retry-After": "60"}, delay=20, lose_answer=True

Signatures are checked as https://www.standardwebhooks.com says, with any of the secrets it was given. In a process of
its own: python -m sandbox.webhook_receiver --port 8103 --secret whsec_…
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox import listening
from sandbox.listening import Fault
from sandbox.webhook_receiver.world import Message, World

__all__ = ["Message", "Receiver", "World", "serve"]


class Receiver:
    """A running one, as tests use it."""

    def __init__(self, base_url: str, world: World) -> None:
        self.url, self.world = f"{base_url}/hooks", world

    def knows(self, *secrets: str) -> None:
        self.world.secrets = list(secrets)

    def messages(self) -> list[Message]:
        return list(self.world.messages)

    def fault(self, **values: Any) -> None:
        self.world.faults.add(Fault(**values))

    def mend(self) -> None:
        self.world.faults.clear()


@contextmanager
def serve(secret: str = "", port: int = 0) -> Iterator[Receiver]:
    world = World([secret] if secret else [])
    server = listening.start(world.answer, world.control, world.faults, port=port)
    try:
        yield Receiver(server.base_url, world)
    finally:
        listening.stop(server)
