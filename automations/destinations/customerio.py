"""Customer.io's Track API: https://docs.customer.io/integrations/api/track/"""

from __future__ import annotations

import json
from urllib.parse import quote

from django.conf import settings

from automations.destinations import addresses, http
from automations.destinations.http import Answer
from automations.destinations.models import Destination

_BASES = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
# Its fair use is 100 a second for a whole workspace; others write there as well.
PER_SECOND = 20
LONGEST_IDENTIFIER = 150
_JSON = {"Content-Type": "application/json"}
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class CredentialsRefused(Exception):
    """In words for the person who entered them."""


def base(region: str) -> str:
    """Where a region answers. CUSTOMERIO_API_BASE may say {region}, for a sandbox."""
    return settings.CUSTOMERIO_API_BASE.replace("{region}", region) or _BASES[region]


def host(region: str) -> str:
    return addresses.host_of(base(region))


def check(region: str, site_id: str, api_key: str) -> None:
    """Ask Customer.io whether it knows these credentials there. CredentialsRefused."""
    answer = _ask("GET", region, "/api/v1/accounts/region", b"", (site_id, api_key))
    if answer.status in (401, 403):
        raise CredentialsRefused(
            "Customer.io refuses these credentials. Copy site ID and API key of a Tracking API key from Settings > "
            "Account settings > API credentials, and choose the region of that account."
        )
    if not answer.is_fine:
        raise CredentialsRefused(f"Customer.io could not be asked. {answer.message} Try again in a moment.")
    there = _region_of(answer)
    if there and there != region:
        label = Destination.Region(there).label
        raise CredentialsRefused(f"This account is in the region {label}. Choose that region.")


def put_person(destination: Destination, identifier: str, body: bytes) -> Answer:
    """Create or update: the same twice is one person with these attributes."""
    return _send(destination, "PUT", f"/api/v1/customers/{quote(identifier, safe='')}", body)


def track(destination: Destination, identifier: str, body: bytes) -> Answer:
    return _send(destination, "POST", f"/api/v1/customers/{quote(identifier, safe='')}/events", body)


def ulid(number: int) -> str:
    """128 bits as Customer.io names events: the same id again is the same event."""
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def _send(destination: Destination, method: str, path: str, body: bytes) -> Answer:
    key = destination.open("api_key")
    assert key  # noqa: S101  a destination of this kind is never stored without
    return _ask(method, destination.region, path, body, (destination.site_id, key.open()))


def _ask(method: str, region: str, path: str, body: bytes, auth: tuple[str, str]) -> Answer:
    trusted = bool(settings.CUSTOMERIO_API_BASE)
    return http.send(method, base(region) + path, body, _JSON, auth=auth, trusted=trusted)


def _region_of(answer: Answer) -> str:
    try:
        found = json.loads(answer.body).get("data_center", "")
    except (ValueError, AttributeError):
        return ""
    return found if found in Destination.Region.values else ""
