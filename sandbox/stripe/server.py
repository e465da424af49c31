"""HTTP/1.1 for the sandbox: a thread per connection, kept alive, no delays of its own. Faults strike here."""

import json
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import api, control, errors
from .faults import Fault

if TYPE_CHECKING:
    from .world import World

LARGEST_BODY = 4 * 1024 * 1024
HTML = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, world: "World", host: str, port: int) -> None:
        self.world = world
        super().__init__((host, port), Handler)

    @property
    def base_url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours; anything else is shown."""
        import sys

        if not isinstance(sys.exception() if hasattr(sys, "exception") else None, ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:
        """The request log is the sandbox's own; nothing is printed."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.server.world.now() if timestamp is None else timestamp, usegmt=True)

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            return self._send(413, b"{}", {})
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = api.Request(self.command, parts.path, parts.query, headers, self.rfile.read(length))
        if parts.path.startswith("/v1/"):
            return self._answer_api(request)
        if parts.path.startswith("/v2/"):
            error = errors.unknown_url(self.command, parts.path)
            return self._send(error.status, json.dumps(error.body()).encode(), {})
        status, kind, body, more = control.answer(self.server.world, self.server.base_url, request)
        return self._send(status, body, {"Content-Type": kind, **more})

    def _answer_api(self, request: api.Request) -> None:
        world = self.server.world
        known = world.keys.get(request.secret())
        with world.lock:
            fault = world.faults.take(request.method, request.path, known[0].id if known else "")
        if fault is None:
            return self._send_answer(api.answer(world, request))
        if fault.latency:
            time.sleep(fault.latency / 1000)
        if fault.hang:
            return self._drop()
        if fault.html:
            return self._send(fault.status or 502, HTML, {"Content-Type": "text/html"})
        if fault.status:
            return self._send_error(world, request, fault)
        result = api.answer(world, request)
        if fault.lose_answer:
            return self._drop()
        return self._send_answer(result, cut=fault.cut)

    def _send_error(self, world: "World", request: api.Request, fault: Fault) -> None:
        status, body, headers = fault.error()
        result = api.Answer(status, body, headers)
        if fault.late:
            api.answer(world, request)
        with world.lock:
            api.keep_error(world, request, result)
            api.note(world, request, result)
        self._send_answer(result, cut=fault.cut)

    def _send_answer(self, result: api.Answer, cut: bool = False) -> None:
        body = json.dumps(result.body, separators=(",", ":")).encode()
        self._send(result.status, body, result.headers, cut)

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self._drop()

    def _drop(self) -> None:
        """Close the connection without another byte."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def start(world: "World", host: str = "127.0.0.1", port: int = 0) -> Server:
    """Serve `world` in a thread; port 0 takes a free one."""
    server = Server(world, host, port)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox-http", daemon=True
    ).start()
    world.deliveries.start()
    return server


def stop(server: Server) -> None:
    server.world.deliveries.stop()
    server.shutdown()
    server.server_close()
