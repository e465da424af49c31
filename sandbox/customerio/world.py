"""Accounts, their people and events, and how the Track API answers about them."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandbox.listening import Answer, Faults, Json, Request
from sandbox.page import page

DEMO = {"region": "eu", "site_id": "c10demo0site00000001", "api_key": "c10demo0key000000001"}


@dataclass
class Account:
    region: str
    site_id: str = field(default_factory=lambda: secrets.token_hex(10))
    api_key: str = field(default_factory=lambda: secrets.token_hex(10))
    people: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)


class World:
    def __init__(self, state: Path | None = None) -> None:
        self.accounts: list[Account] = []
        self.requests: list[Request] = []
        self.faults = Faults()
        self.state = state
        self._lock = threading.Lock()
        if state and state.exists():
            self.accounts = [Account(**one) for one in json.loads(state.read_text())]

    def add_account(self, region: str, **values: Any) -> Account:
        account = Account(region, **values)
        self.accounts.append(account)
        return account

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            account = self._known(request)
            if account is None:
                return Answer(401, {"meta": {"error": "Unauthorized request"}})
            answer = self._route(account, request)
            self._keep()
            return answer

    def control(self, request: Request) -> Answer:
        """A page for people, and all of it as JSON."""
        if request.path == "/_control/state":
            return Answer(200, {"accounts": [asdict(account) for account in self.accounts]})
        sections: dict[str, list[Any]] = {}
        for account in self.accounts:
            sections[f"People of {account.site_id} ({account.region})"] = [
                {"identifier": name, **attributes} for name, attributes in account.people.items()
            ]
            sections[f"Events of {account.site_id}"] = list(account.events)
        return Answer(200, page("Sandbox Customer.io", sections))

    def _known(self, request: Request) -> Account | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            site_id, _, api_key = base64.b64decode(token).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = [one for one in self.accounts if (one.site_id, one.api_key) == (site_id, api_key)]
        return known[0] if known and kind == "Basic" else None

    def _route(self, account: Account, request: Request) -> Answer:
        region, *parts = request.parts
        match (request.method, parts):
            case ("GET", ["api", "v1", "accounts", "region"]):
                there = account.region
                return Answer(200, {"url": "track.customer.io", "data_center": there, "environment_id": 1})
            case _ if region != account.region:
                return Answer(401, {"meta": {"error": "Unauthorized request"}})
            case ("PUT", ["api", "v1", "customers", identifier]):
                return self._identify(account, identifier, request)
            case ("POST", ["api", "v1", "customers", identifier, "events"]):
                return self._track(account, identifier, request)
        return Answer(404, {"meta": {"error": "not found"}})

    def _identify(self, account: Account, identifier: str, request: Request) -> Answer:
        """An upsert: attributes that are told replace those that were."""
        try:
            attributes = request.json()
        except ValueError:
            return Answer(400, {"meta": {"error": "malformed JSON"}})
        if not identifier or len(identifier) > 150:
            return Answer(400, {"meta": {"error": "identifier must be 1 to 150 bytes"}})
        account.people.setdefault(identifier, {}).update(attributes)
        return Answer()

    def _track(self, account: Account, identifier: str, request: Request) -> Answer:
        try:
            event = request.json()
        except ValueError:
            return Answer(400, {"meta": {"error": "malformed JSON"}})
        if not event.get("name"):
            return Answer(400, {"meta": {"error": "name is required"}})
        # The same id again is the same event.
        if not event.get("id") or all(one.get("id") != event["id"] for one in account.events):
            account.events.append({"person": identifier, **event})
        return Answer()

    def _keep(self) -> None:
        if self.state:
            self.state.write_text(json.dumps([asdict(account) for account in self.accounts]))
