"""A sandbox for each test, the official client on it, and a receiver for its webhooks."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe as official

from sandbox.stripe import Sandbox, SandboxAccount, serve


class Receiver(ThreadingHTTPServer):
    """Takes webhooks: what came (headers, body), answered with the statuses given, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def wait_for(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """The first `count` deliveries; fails after ten seconds."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= count, 10), f"{len(self.got)} of {count} arrived"
            return self.got[:count]


class _Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.arrived:
            self.server.got.append((dict(self.headers.items()), body))
            status = self.server.statuses.pop(0) if self.server.statuses else 200
            self.server.arrived.notify_all()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def stripe() -> Iterator[Sandbox]:
    with serve() as sandbox:
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox) -> SandboxAccount:
    return stripe.account("main")


@pytest.fixture
def client_for(stripe: Sandbox) -> Callable[[str], official.StripeClient]:
    return lambda key: official.StripeClient(key, base_addresses={"api": stripe.base_url})


@pytest.fixture
def client(account: SandboxAccount, client_for: Callable[[str], official.StripeClient]) -> official.StripeClient:
    return client_for(account.key)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
