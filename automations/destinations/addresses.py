"""Which addresses webhooks may go to: https, a public host by name, the usual ports, nothing else in front."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

PORTS = (443, 8443)
LONGEST = 1000
_LOOPBACK = ("127.0.0.1", "localhost")
# The last part of a public name has letters: 2130706433, 0x7f.1 and 127.1 are addresses in disguise.
_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+([a-z]{2,63}|xn--[a-z0-9-]{1,59})")
_INNER = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa")


class AddressRefused(ValueError):
    """Nothing is sent there; the text says why, for the person who wrote the address."""


def check(url: str) -> str:
    """The address as it is stored. AddressRefused. Where its name leads is looked at each time something is sent."""
    text = url.strip()
    if not text or len(text) > LONGEST or re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise AddressRefused(f"Write an address such as https://example.com/hooks, at most {LONGEST} characters.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressRefused("This is not a web address.") from None
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("Leave name and password out of the address: anybody who sees it could use them.")
    if parts.fragment:
        raise AddressRefused("Leave out what follows the #: it is never sent.")
    if is_local(url):
        return text
    _check_public(parts, port)
    return text


def is_local(url: str) -> bool:
    """A receiver on this machine: only for the demo and for development."""
    parts = urlsplit(url)
    return (settings.DEMO or settings.DEBUG) and parts.scheme == "http" and parts.hostname in _LOOPBACK


def host_of(url: str) -> str:
    """name:port."""
    parts = urlsplit(url)
    return f"{(parts.hostname or '').lower()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _check_public(parts: SplitResult, port: int | None) -> None:
    if parts.scheme != "https":
        raise AddressRefused("The address must begin with https://, so that nobody on the way can read what is sent.")
    host = (parts.hostname or "").rstrip(".").lower()
    if not host:
        raise AddressRefused("The address names no host.")
    if _is_literal(host):
        raise AddressRefused("Write the name of the host, not its IP address.")
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name) or f".{name}".endswith(_INNER):
        raise AddressRefused("Write the public name of a host, such as example.com.")
    if port is not None and port not in PORTS:
        raise AddressRefused(f"Only the ports {' and '.join(map(str, PORTS))} are allowed.")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
