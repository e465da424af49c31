"""What arrived, and whether it came from whom it says."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from sandbox.listening import Answer, Faults, Request
from sandbox.page import page

DEMO_SECRET = "whsec_" + "ZGVtby1vZi1taWxscmFjZS13ZWJob29rcw=="


@dataclass(frozen=True)
class Message:
    """`id` is the webhook-id, by which a receiver knows what it has already. `verified`: with how many secrets."""

    id: str
    body: str
    headers: dict[str, str]
    verified: int
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class World:
    def __init__(self, secrets: list[str], state: Path | None = None) -> None:
        self.secrets = secrets
        self.messages: list[Message] = []
        self.faults = Faults()
        self.state = state
        self._lock = threading.Lock()
        if state and state.exists():
            self.messages = [Message(**one) for one in json.loads(state.read_text())]

    def answer(self, request: Request) -> Answer:
        body = request.body.decode("utf-8", "replace")
        verified = sum(_is_from(secret, body, request.headers) for secret in self.secrets)
        message = Message(request.headers.get("webhook-id", ""), body, request.headers, verified, request.at)
        with self._lock:
            self.messages.append(message)
            if self.state:
                self.state.write_text(json.dumps([asdict(one) for one in self.messages]))
        if self.secrets and not verified:
            return Answer(401, {"error": "The signature is wrong."})
        return Answer(200, {"received": message.id})

    def control(self, request: Request) -> Answer:
        if request.path == "/_control/state":
            return Answer(200, {"messages": [asdict(one) for one in self.messages]})
        shown = [f"{one.id} {'verified' if one.verified else 'NOT VERIFIED'}\n{one.body}" for one in self.messages]
        return Answer(200, page("Sandbox webhook receiver", {"Messages": list(shown)}))


def _is_from(secret: str, body: str, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except (WebhookVerificationError, ValueError):
        return False
    return True
