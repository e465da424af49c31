"""Addresses compared the way people mean them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from common.text import storable

_valid = EmailValidator()
LONGEST = 320
# Each record of a batch asks several times for the same person's.
_REMEMBERED = 4096


@lru_cache(_REMEMBERED)
def clean_email(text: str) -> str:
    """The address as shown: trimmed, NFC. ValueError if it is not one address."""
    address = unicodedata.normalize("NFC", storable(text)).strip()
    if not address or len(address) > LONGEST:
        raise ValueError(f"“{address[:80]}” is not an email address.")
    try:
        _valid(_ascii_host(unicodedata.normalize("NFKC", address)))
    except (ValidationError, UnicodeError) as error:
        raise ValueError(f"“{address[:80]}” is not an email address.") from error
    return address


@lru_cache(_REMEMBERED)
def email_key(text: str) -> str:
    """The key that decides whether two addresses are one: compatibility forms folded, lower case, host as IDNA.

    ValueError as `clean_email`.
    """
    return _ascii_host(unicodedata.normalize("NFKC", clean_email(text)).casefold())


def _ascii_host(address: str) -> str:
    local, _, host = address.rpartition("@")
    return f"{local}@{host.encode('idna').decode('ascii').lower()}" if host else address
