"""The time a whole request may take. A socket's timeout counts anew from each byte, so a receiver that sends one a
second would hold its thread for hours.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """Within it, a session's connections are cut off when the seconds are over. They count from the first connection.

    `is_over` tells it from other reasons why a connection ended.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()

    def holds(self, session: requests.Session) -> None:
        """For all connections that the session opens from now on."""
        pools = {"http": _pool(HTTPConnectionPool, HTTPConnection, self)}
        pools["https"] = _pool(HTTPSConnectionPool, HTTPSConnection, self)
        for adapter in session.adapters.values():
            adapter.poolmanager.pool_classes_by_scheme = pools  # type: ignore[attr-defined]

    def watch(self, opened: socket.socket) -> None:
        self._sockets.append(opened)
        if len(self._sockets) == 1:
            self._timer.start()

    def _cut(self) -> None:
        self.is_over = True
        for one in self._sockets:
            # Of the plain socket below TLS: whoever reads finds its end, in whatever thread.
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)


def _pool(pool: type[Any], kind: type[Any], deadline: Deadline) -> type[Any]:
    class Watched(kind):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Watched})
