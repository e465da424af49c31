"""A small HTTP/1.1 server for the fakes that need little: a thread a connection, faults first, JSON or a page back."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Json = dict[str, Any]
LARGEST_BODY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def parts(self) -> list[str]:
        """The path's parts, each as it was before it was escaped."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    def json(self) -> Json:
        found = json.loads(self.body or b"{}")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """The next `count` requests: answered with `status` unread, after `delay` seconds; or taken, the answer lost."""

    status: int = 0
    count: int = 1
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    lose_answer: bool = False


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self) -> Fault | None:
        with self._lock:
            if not self._waiting:
                return None
            fault = self._waiting[0]
            fault.count -= 1
            if fault.count <= 0:
                self._waiting.pop(0)
            return fault


Answering = Callable[[Request], Answer]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, answer: Answering, control: Answering, faults: Faults) -> None:
        self.answer, self.control, self.faults = answer, control, faults
        super().__init__((host, port), Handler)

    @property
    def base_url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are kept; nothing is printed."""

    def _answer(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, urlsplit(self.path).path, headers, self.rfile.read(length), time.time())
        if request.path == "/" or request.path.startswith("/_control/"):
            return self._send(self.server.control(request))
        fault = self.server.faults.take()
        if fault and fault.delay:
            time.sleep(fault.delay)
        if fault and fault.status:
            return self._send(Answer(fault.status, fault.body or {"error": "a fault of the sandbox"}, fault.headers))
        answer = self.server.answer(request)
        if fault and fault.lose_answer:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._send(answer)

    def _send(self, answer: Answer) -> None:
        is_text = isinstance(answer.body, str)
        body = answer.body.encode() if is_text else json.dumps(answer.body).encode()
        kind = "text/html; charset=utf-8" if is_text else "application/json"
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, **answer.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def start(answer: Answering, control: Answering, faults: Faults, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Serve in threads; port 0 takes a free one."""
    server = Server(host, port, answer, control, faults)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def stop(server: Server) -> None:
    server.shutdown()
    server.server_close()


def wait_for_end() -> None:
    """Until the process is told to end."""
    import signal

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
