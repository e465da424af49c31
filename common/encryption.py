"""Secrets at rest: MultiFernet over FIELD_KEYS, each ciphertext bound to the row and column it belongs to.

A ciphertext copied to another row or column does not open. Nothing here ever returns the ciphertext as a value.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SecretUnreadable(Exception):
    """A stored secret does not open with any of FIELD_KEYS, or belongs to another row."""


class Secret:
    """A secret in memory that does not print itself. `open()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def open(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Secret({mask(self._text)})"

    __str__ = __repr__


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _keys() -> tuple[str, ...]:
    return tuple(settings.FIELD_KEYS)


def seal(text: str, *, owner: str) -> bytes:
    """Encrypt for one place, named by `owner` such as "connection:7:api_key"."""
    return _fernet(_keys()).encrypt(json.dumps({"o": owner, "v": text}).encode())


def unseal(token: bytes | memoryview, *, owner: str) -> Secret:
    """Decrypt what `seal` made for the same owner. SecretUnreadable otherwise."""
    try:
        content = json.loads(_fernet(_keys()).decrypt(bytes(token)))
    except InvalidToken as error:
        raise SecretUnreadable(f"The secret of {owner} does not open with FIELD_KEYS.") from error
    if content["o"] != owner:
        raise SecretUnreadable(f"The secret of {owner} was sealed for another place.")
    return Secret(content["v"])


def reseal(token: bytes | memoryview) -> bytes:
    """The same secret under the first key of FIELD_KEYS."""
    return _fernet(_keys()).rotate(bytes(token))


def fingerprint(text: str) -> str:
    """Tells whether two secrets are the same, without keeping either. Hex, 64 characters."""
    return hmac.new(_keys()[0].encode(), text.encode(), hashlib.sha256).hexdigest()


def mask(text: str) -> str:
    """`rk_live_…x4Zt`: the prefix and the last four characters."""
    head, _, tail = text.rpartition("_")
    return f"{head}_…{tail[-4:]}" if head and len(tail) > 8 else "…"
