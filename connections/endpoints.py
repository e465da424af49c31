"""The public webhook endpoint: verify the raw bytes, store once, answer. Everything else happens later.

Served before Django's middleware (config/wsgi.py): a delivery has no session, no cookie and no page, and what the
middleware costs is more than the rest. The view below is the same for servers that know only Django.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.db import connection as database
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from common.encryption import SecretUnreadable
from connections import arrivals, stored_events
from connections.arrivals import Arrival
from connections.models import Connection
from connections.sources.stripe import signature, translate
from connections.sources.stripe.translate import Unreadable

logger = logging.getLogger(__name__)
LARGEST_BODY = 1024 * 1024
# What is known of an address is read again after so many seconds, and whenever it does not fit.
_FRESH_SECONDS = 5.0
# A flood of made-up addresses must not fill the memory.
_MOST_KNOWN = 1000


@dataclass(frozen=True)
class _Address:
    """What a delivery's check needs of its connection. `secrets`: each with the time until which it counts."""

    connection_id: int
    epoch: int
    account: str
    is_test: bool
    is_connected: bool
    secrets: tuple[tuple[str, datetime | None], ...]
    read_at: float


_known: dict[str, _Address] = {}


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest, token: str) -> HttpResponse:
    header = request.headers.get("Stripe-Signature", "")
    status = answer(token, header, _length(request.META.get("CONTENT_LENGTH")), lambda: request.body)
    return HttpResponse(status=status, headers={"Retry-After": "10"} if status == 503 else None)


def answer(token: str, header: str, length: int, read: Callable[[], bytes]) -> int:
    """200 once the event is committed. 404 unknown address, 410 disconnected, 413 too large, 400 not signed by Stripe,
    503 when the database cannot take it: Stripe then keeps it for three days.
    """
    try:
        address = _address(token)
        if address is None:
            return 404
        if not address.is_connected:
            return 410
        if length > LARGEST_BODY:
            return 413
        body = read()
        if not _is_genuine(address, body, header):
            # It may have a new secret since, or be disconnected.
            address = _address(token, now=True)
            if address is None:
                return 404
            if not address.is_connected:
                return 410
            if not _is_genuine(address, body, header):
                logger.warning(_refusal(address, body, header), extra={"connection": address.connection_id})
                return 400
        return _take(token, address, body)
    except DatabaseError:
        logger.exception("A delivery could not be stored")
        return 503


def _take(token: str, address: _Address, body: bytes) -> int:
    try:
        about = translate.envelope(translate.parse(body))
    except Unreadable as error:
        # A refusal would have Stripe send it for three days; it would not get better.
        with _returned():
            connection = Connection.objects.get(pk=address.connection_id)
            stored_events.store_unreadable(connection, translate.name_of(body), body, str(error))
        return 200
    if about.livemode is not None and about.livemode == address.is_test:
        logger.warning("A delivery of the other mode was refused", extra={"connection": address.connection_id})
        return 400
    if about.account and about.account != address.account:
        logger.warning("A delivery of another account was refused", extra={"connection": address.connection_id})
        return 400
    if arrivals.store(Arrival(address.connection_id, address.epoch, about, body)):
        return 200
    now = _address(token, now=True)
    if now is None or not now.is_connected:
        return 410
    # The key was replaced meanwhile; the address and its secrets are the same.
    return 200 if arrivals.store(Arrival(now.connection_id, now.epoch, about, body)) else 410


def _address(token: str, *, now: bool = False) -> _Address | None:
    known = _known.get(token)
    if known and not now and time.monotonic() - known.read_at < _FRESH_SECONDS:
        return known
    with _returned():
        connection = Connection.objects.filter(hook_token=token, source="stripe").first()
    if connection is None:
        _known.pop(token, None)
        return None
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    found = _known[token] = _Address(
        connection.pk,
        connection.epoch,
        connection.account,
        connection.is_test,
        connection.is_connected,
        _secrets(connection),
        time.monotonic(),
    )
    return found


@contextmanager
def _returned() -> Iterator[None]:
    """What is asked of the database gives its connection back to the pool at once: threads that only wait for whoever
    writes need none, and the writer may be waiting for this very one.
    """
    try:
        yield
    finally:
        if not database.in_atomic_block:
            database.close()


def _is_genuine(address: _Address, body: bytes, header: str, *, whenever: bool = False) -> bool:
    now = datetime.now(UTC)
    secrets = (secret for secret, until in address.secrets if not until or until > now)
    return signature.is_genuine(body, header, secrets, whenever=whenever)


def _refusal(address: _Address, body: bytes, header: str) -> str:
    """Why it was refused, for the log."""
    if _is_genuine(address, body, header, whenever=True):
        return "A delivery was signed by Stripe over five minutes ago, or this server's clock is wrong"
    return "A delivery was not signed by Stripe"


def _secrets(connection: Connection) -> tuple[tuple[str, datetime | None], ...]:
    """The endpoint's secret, and for a day the one before it."""
    fields = {"webhook_secret": None, "previous_secret": connection.previous_secret_until}
    try:
        return tuple(
            (secret.open(), until)
            for field, until in fields.items()
            if (field == "webhook_secret" or until) and (secret := connection.open(field))
        )
    except SecretUnreadable:
        logger.exception("A webhook secret does not open", extra={"connection": connection.pk})
        return ()


def _length(told: str | None) -> int:
    try:
        return int(told or 0)
    except ValueError:
        return LARGEST_BODY + 1


# --- Before Django ---


def door(application: Callable[..., object], prefix: str) -> Callable[..., object]:
    """A WSGI application that answers POSTs to `prefix`<token>/ itself and leaves everything else to `application`."""

    def served(environ: dict[str, object], start: Callable[..., object]) -> object:
        path = str(environ.get("PATH_INFO", ""))
        token = path.removeprefix(prefix).removesuffix("/")
        if environ.get("REQUEST_METHOD") != "POST" or not path.startswith(prefix) or not token or "/" in token:
            return application(environ, start)
        length = _length(str(environ.get("CONTENT_LENGTH") or ""))
        stream = environ["wsgi.input"]
        try:
            status = answer(
                token,
                str(environ.get("HTTP_STRIPE_SIGNATURE", "")),
                length,
                lambda: stream.read(length),  # type: ignore[attr-defined]
            )
        except Exception:
            logger.exception("A delivery could not be answered")
            status = 500
        headers = [("Content-Length", "0"), ("Content-Type", "text/plain")]
        start(_REASONS[status], headers + ([("Retry-After", "10")] if status == 503 else []))
        return [b""]

    return served


_REASONS = {
    200: "200 OK",
    400: "400 Bad Request",
    404: "404 Not Found",
    410: "410 Gone",
    413: "413 Content Too Large",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}
