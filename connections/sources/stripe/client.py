"""Stripe's API as plain dicts: the official client for transport, none of its objects (a millisecond each)."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import stripe
from django.conf import settings

from common.text import storable_json
from connections.sources.base import Json, SourceError
from connections.sources.stripe import API_VERSION

PAGE = 100
CONNECT_SECONDS, READ_SECONDS = 5, 30
NO_ANSWER = "Stripe cannot be reached or reports a fault of its own. We try again."
_PERMISSION = re.compile(r"\brak_\w+")
_NAMED_ACCOUNT = re.compile(r"\bacct_\w+")
Gate = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """`asked_at`: when the request was sent, by Stripe's clock and rounded down: facts in it are at least that fresh.

    `answered_at`: Stripe's clock in the answer.
    """

    data: Json
    asked_at: datetime
    answered_at: datetime


class _Transport(stripe.RequestsClient):
    """Keeps the body of a good answer from the library, which would make an OrderedDict of every object in it: five
    times as long as parsing takes. `taken` is the body of this thread's last request, or None.
    """

    def __init__(self, read_seconds: float) -> None:
        super().__init__(timeout=(CONNECT_SECONDS, read_seconds))
        self._here = threading.local()

    def request(self, *asked: Any, **options: Any) -> tuple[Any, int, Any]:
        self._here.body = None
        body, status, answered = super().request(*asked, **options)
        if not 200 <= status < 300:
            return body, status, answered
        self._here.body = body
        return "{}", status, answered

    def taken(self) -> bytes:
        body: bytes = self._here.body
        self._here.body = None
        return body


class Client:
    """One account's API. `gate` is called before each request with the kind of list, and may wait or refuse."""

    def __init__(self, key: str, gate: Gate | None = None, read_seconds: float = READ_SECONDS) -> None:
        self._gate = gate
        self._transport = _Transport(read_seconds)
        self._stripe = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={"api": settings.STRIPE_API_BASE},
            # Retries are rows of ours; the library's own would hide a limit from us.
            max_network_retries=0,
            http_client=self._transport,
        )

    def get(self, path: str, **params: Any) -> Answer:
        return self._request("get", path, params)

    def post(self, path: str, *, idempotency_key: str = "", **params: Any) -> Answer:
        return self._request("post", path, params, idempotency_key)

    def delete(self, path: str) -> Answer:
        return self._request("delete", path, {})

    def pages(self, path: str, **params: Any) -> Iterator[Answer]:
        """Pages of a list, newest first, until Stripe has no more. SourceError if the list goes round for ever."""
        ends: list[str] = []
        while True:
            cursor = {"starting_after": ends[-1]} if ends else {}
            page = self.get(path, **{"limit": PAGE} | params | cursor)
            yield page
            rows = page.data.get("data") or []
            if not page.data.get("has_more") or not rows:
                return
            if rows[-1]["id"] in ends:
                # Who takes this for the end would believe to have read what it has not.
                raise SourceError("Stripe’s list does not end: it repeats a page.", permanent=False, code="endless")
            ends.append(rows[-1]["id"])

    def _request(self, method: str, path: str, params: Json, idempotency_key: str = "") -> Answer:
        if self._gate:
            self._gate(path.split("/")[2])
        options = {"idempotency_key": idempotency_key} if idempotency_key else {}
        started = time.monotonic()
        try:
            response = self._stripe.raw_request(method, path, **params, **options)
        except stripe.StripeError as error:
            raise refused(error) from error
        data = _parsed(self._transport.taken())
        answered = _date(response.headers)
        return Answer(data, answered - timedelta(seconds=math.ceil(time.monotonic() - started)), answered)


def _parsed(body: bytes) -> Json:
    try:
        data = storable_json(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise SourceError("Stripe’s answer could not be read. We try again.", permanent=False, code="unreadable")
    return data


def refused(error: stripe.StripeError) -> SourceError:
    """The library's error in the user's words. Codes are read from the body: the error's own are often empty."""
    body = getattr(error, "json_body", None)
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    code, message = str(told.get("code") or ""), str(told.get("message") or "")
    permission = _PERMISSION.search(message)
    status = error.http_status
    if code == "secret_key_required" or "publishable API key" in message:
        return _publishable()
    if status == 401 and code == "api_key_expired":
        return SourceError(
            "This key has expired or was rolled. Copy the current key from Stripe > Developers > API keys.",
            permanent=True,
            code="key_expired",
        )
    if status == 401:
        return SourceError(
            "Stripe does not know this key. Copy the secret key from Stripe > Developers > API keys.",
            permanent=True,
            code="key_refused",
        )
    if status == 403:
        name = permission.group() if permission else ""
        return SourceError(
            f"The key lacks the permission {name}. Add it to the restricted key in Stripe." if name else message,
            permanent=True,
            code="permission",
            permission=name,
        )
    if status == 429:
        return SourceError(
            "Stripe asked us to slow down. We go on by ourselves.",
            permanent=False,
            code="rate_limit",
            retry_after=_seconds(error.headers),
        )
    if status == 404 or code == "resource_missing":
        return SourceError(
            message or "Stripe does not have this object.",
            permanent=True,
            code="resource_missing",
            answered_at=_date(error.headers),
        )
    if status is None or status >= 500 or status == 409:
        return SourceError(
            NO_ANSWER,
            permanent=False,
            code="unavailable",
            retry_after=_seconds(error.headers),
        )
    return SourceError(message or "Stripe refused the request.", permanent=True, code=code or "refused")


def named_account(error: SourceError) -> str:
    """The account a refusal speaks of, which a restricted key may not read otherwise. "" if none."""
    cause = error.__cause__
    found = _NAMED_ACCOUNT.search(str(cause)) if cause else None
    return found.group() if found else ""


def _publishable() -> SourceError:
    return SourceError(
        "This is a publishable key (pk_…). Millrace needs the secret key (sk_…) or a restricted key (rk_…).",
        permanent=True,
        code="publishable",
    )


def _seconds(headers: Any) -> float | None:
    found = {name.lower(): value for name, value in dict(headers or {}).items()}.get("retry-after", "")
    try:
        return float(found)
    except ValueError:
        return None


def _date(headers: Any) -> datetime:
    try:
        return parsedate_to_datetime(headers.get("Date") or headers.get("date"))
    except (TypeError, ValueError, AttributeError):
        return datetime.now(UTC)
