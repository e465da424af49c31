"""A small mail server over a socket, as strict as the real ones where it matters, with faults to order."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

# What a fault answers: a line ("550 no such user"), or None to hang up without a word.
Fault = Callable[[str, str], str | None]
GO_ON = "go on"


@dataclass
class Received:
    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""


@dataclass
class MailServer:
    """`fault(step, argument)` decides at auth, mail, rcpt, data (before the text), taken (after it) and answer (taken,
    and the answer is on its way): GO_ON, an answer instead, or None to hang up.
    """

    port: int
    received: list[Received] = field(default_factory=list)
    fault: Fault = lambda step, argument: GO_ON
    connections: int = 0
    goodbyes: int = 0


class _Hung(Exception):
    pass


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 20

    def handle(self) -> None:
        self.server.mailer.connections += 1
        self._say("220 sink")
        try:
            while line := self.rfile.readline():
                self._answer(line.decode("utf-8", "replace").strip())
        except (_Hung, OSError):
            return

    def _answer(self, line: str) -> None:
        verb = line[:4].upper()
        match verb:
            case "EHLO" | "HELO":
                self._say("250-sink\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 SMTPUTF8")
            case "AUTH":
                self._step("auth", "", "235 come in")
            case "MAIL":
                self.sender, self.recipients = line[10:].split(">")[0].strip("<"), []
                self._step("mail", self.sender, "250 ok")
            case "RCPT":
                if self._step("rcpt", line[8:].strip("<> "), "250 ok"):
                    self.recipients.append(line[8:].strip("<> "))
            case "DATA":
                self._data()
            case "QUIT":
                self.server.mailer.goodbyes += 1
                self._say("221 bye")
                raise _Hung
            case _:
                self._say("250 ok")

    def _data(self) -> None:
        if not self._step("data", "", "354 go on"):
            return
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        received = Received(self.sender, self.recipients, b"".join(lines))
        if self.server.mailer.fault("taken", self.recipients[0]) is GO_ON:
            self.server.mailer.received.append(received)
            self._step("answer", self.recipients[0], "250 queued")
            return
        self._step("taken", self.recipients[0], "250 queued")

    def _step(self, step: str, argument: str, usual: str) -> bool:
        answer = self.server.mailer.fault(step, argument)
        if answer is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            raise _Hung
        self._say(usual if answer is GO_ON else answer)
        return answer is GO_ON

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mailer: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to tell."""


@contextmanager
def serve(port: int = 0) -> Iterator[MailServer]:
    with _Server(("127.0.0.1", port), _Conversation) as server:
        server.mailer = MailServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.mailer
        finally:
            server.shutdown()
            thread.join()
