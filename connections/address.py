"""Our own address, as others see it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

# Names that no public DNS knows.
_INNER = (".local", ".localhost", ".internal", ".lan", ".home", ".test", ".invalid")


def is_public(address: str) -> bool:
    """Could Stripe reach this address, as far as it tells? What a firewall does is for a delivery to show."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        return parts.scheme == "https" and ipaddress.ip_address(host).is_global
    except ValueError:
        return parts.scheme == "https" and "." in host and not host.endswith(_INNER)
