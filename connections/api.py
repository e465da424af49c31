"""A connection's way to its source: opens the key, keeps to the rate limit, counts calls, notices a refused key."""

from __future__ import annotations

import time
from functools import partial

from common.encryption import SecretUnreadable
from connections import rate_limit
from connections.models import Connection
from connections.sources.base import SourceError
from connections.sources.stripe.client import READ_SECONDS, Client

_LONGEST_WAIT = 3.0


class Rekeyed(SourceError):
    """The account got another key, or none, since it was read: whoever asks reads it again."""

    def __init__(self) -> None:
        words = "The key of this account was changed meanwhile. We go on with the new one."
        super().__init__(words, permanent=False, code="rekeyed", retry_after=1.0)


def client_of(connection: Connection, *, read_seconds: float = READ_SECONDS) -> Client:
    """A client of the connection's account, which keeps to the rate limit. SourceError if no key opens."""
    return Client(key_of(connection), gate=partial(_gate, connection), read_seconds=read_seconds)


def ungated_client_of(connection: Connection) -> Client:
    """The same without a look at the database: for who takes requests from the rate limit beforehand (`allowed`)."""
    return Client(key_of(connection))


def allowed(connection: Connection, scope: str, wanted: int) -> int:
    """Take up to so many requests from the rate limit and count them; how many may go out now. Rekeyed if none may."""
    granted = rate_limit.take(connection, scope, wanted)
    if granted:
        _count(connection, granted)
    return granted


def pause(connection: Connection, scope: str) -> float:
    """Seconds after which to ask again where nothing was allowed."""
    return rate_limit.pause(connection, scope)


def key_of(connection: Connection) -> str:
    """The key, opened now. SourceError if there is none, or it does not open."""
    try:
        key = connection.open("api_key")
    except SecretUnreadable as error:
        raise SourceError(
            "The stored key does not open with FIELD_KEYS. Replace the key.", permanent=True, code="key_unreadable"
        ) from error
    if key is None:
        raise SourceError("This account is disconnected.", permanent=True, code="disconnected")
    return key.open()


def note(connection: Connection, error: SourceError) -> None:
    """Remember what a refusal means for the whole connection."""
    if error.code in ("key_refused", "key_expired", "key_unreadable"):
        Connection.objects.filter(pk=connection.pk, epoch=connection.epoch, state=Connection.State.ACTIVE).update(
            state=Connection.State.AUTH_FAILED, error=error.message
        )
    elif error.code in ("rate_limit", "unavailable"):
        rate_limit.throttle(connection, min(error.retry_after or 2.0, 60.0))


def _gate(connection: Connection, scope: str) -> None:
    """Wait for the rate limit, in no transaction. SourceError when it would take too long; Rekeyed."""
    ends = time.monotonic() + _LONGEST_WAIT
    while wait := rate_limit.wait_for(connection, scope):
        if time.monotonic() + wait > ends:
            raise SourceError("Waiting for the rate limit.", permanent=False, code="rate_limit", retry_after=1.0)
        time.sleep(wait)
    _count(connection, 1)


def _count(connection: Connection, requests: int) -> None:
    if not rate_limit.count_calls(connection, requests):
        raise Rekeyed
