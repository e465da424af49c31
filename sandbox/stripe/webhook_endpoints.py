"""Webhook endpoints over the API: at most sixteen, public addresses only, the secret told once."""

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import errors
from .event_types import EVENT_TYPES
from .expansion import expand
from .forms import Json, boolean
from .lists import page
from .metadata import merged
from .objects.webhooks import webhook_endpoint

if TYPE_CHECKING:
    from .api import Call

NOT_PUBLIC = (
    "Invalid URL: URL must be publicly accessible. Consider using a tool like the Stripe CLI to test webhooks locally."
)
VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z]+)?")
KNOWN = {"url", "enabled_events", "api_version", "description", "metadata", "connect", "expand"}


class CapReached(errors.StripeError):
    """The account holds as many endpoints as it may."""


def answer(call: "Call") -> Json:
    call.require("rak_webhook_read" if call.method == "GET" else "rak_webhook_write")
    rest = call.parts[1:]
    if not rest:
        return (
            create(call)
            if call.method == "POST"
            else page(call.book, "webhook_endpoint", call.params, "/v1/webhook_endpoints")
        )
    obj = call.book.get("webhook_endpoint", rest[0])
    if obj is None:
        raise errors.missing("webhook endpoint", rest[0], "webhook_endpoint")
    if call.method == "DELETE":
        call.book.secrets.pop(obj["id"], None)
        return call.book.delete(obj)
    return update(call, obj) if call.method == "POST" else expand(call.book, call.key, obj, call.params.get("expand"))


def create(call: "Call") -> Json:
    """A new endpoint with its secret. Without api_version it stays at the account's default (api_version null)."""
    _known(call.params, KNOWN)
    for name in ("url", "enabled_events"):
        if not call.params.get(name):
            raise errors.required_parameter(name)
    url = _checked_url(call, call.params["url"])
    wanted = _checked_events(call.params["enabled_events"])
    version = call.params.get("api_version") or None
    if version and not VERSION.fullmatch(version):
        raise errors.bad_parameter(f"Invalid Stripe API version: {version}", "api_version")
    _check_cap(call)
    obj = webhook_endpoint(call.book, url, wanted, version, call.params)
    call.book.add(obj)
    return {**obj, "secret": call.book.secrets[obj["id"]]}


def update(call: "Call", obj: Json) -> Json:
    """Change url, events, description, metadata or `disabled`. The secret stays and is not told."""
    _known(call.params, {"url", "enabled_events", "description", "metadata", "disabled", "expand"})
    changes: Json = {}
    if "url" in call.params:
        changes["url"] = _checked_url(call, call.params["url"])
    if "enabled_events" in call.params:
        changes["enabled_events"] = _checked_events(call.params["enabled_events"])
    if "description" in call.params:
        changes["description"] = call.params["description"] or None
    if "metadata" in call.params:
        changes["metadata"] = merged(obj["metadata"], call.params["metadata"])
    if "disabled" in call.params:
        changes["status"] = "disabled" if boolean(call.params["disabled"]) else "enabled"
    return call.book.update(obj, None, **changes)


def _known(params: Json, names: set[str]) -> None:
    for name in params:
        if name not in names:
            raise errors.unknown_parameter(name)


def _check_cap(call: "Call") -> None:
    cap = call.book.account.endpoint_cap
    if len(call.book.collection("webhook_endpoint")) >= cap:
        mode = "" if call.book.livemode else "test "
        raise CapReached(400, f"You have reached the maximum of {cap} {mode}webhook endpoints.")


def _checked_events(given: Any) -> list[str]:
    wanted = given if isinstance(given, list) else [given]
    for position, name in enumerate(wanted):
        if name not in EVENT_TYPES:
            raise errors.bad_parameter(
                f"Invalid enabled_events[{position}]: unknown event type '{name}'", f"enabled_events[{position}]"
            )
    return wanted


def _checked_url(call: "Call", url: str) -> str:
    """The URL, or Stripe's refusal. An account with `local_webhooks` takes local addresses, as no real one does."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise errors.bad_parameter("Not a valid URL", "url") from None
    if "://" not in url:
        raise errors.bad_parameter("Invalid URL: An explicit scheme (such as https) must be provided", "url")
    if parts.scheme not in ("http", "https") or not host or " " in url:
        raise errors.bad_parameter("Not a valid URL", "url")
    if _local(host):
        if not call.book.account.local_webhooks:
            raise errors.bad_parameter(NOT_PUBLIC, "url")
    elif call.book.livemode and parts.scheme != "https":
        # Stripe's exact words are not known to us; its rule is: live endpoints must be public HTTPS.
        raise errors.bad_parameter("Invalid URL: Live webhook endpoints must use https", "url")
    return url


def _local(host: str) -> bool:
    """Loopback, private and link-local addresses, and names that no public DNS knows."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan"))
