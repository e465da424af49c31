"""One signed POST to a webhook address. Addresses reserved for examples are never contacted."""

import hashlib
import hmac
import http.client
import ssl
import time
from urllib.parse import urlsplit

RESERVED = (".example", ".test", ".invalid", "example.com", "example.net", "example.org")


def signature(body: bytes, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header: HMAC-SHA256 of `timestamp.body` under the scheme v1."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def post(url: str, body: bytes, secret: str, timeout: float) -> tuple[int, str]:
    """HTTP status and the start of the answer; status 0 and the reason when there was no answer."""
    parts = urlsplit(url)
    if (parts.hostname or "").endswith(RESERVED):
        return 0, "not contacted: this address is reserved for examples"
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Stripe-Signature": signature(body, secret, int(time.time())),
    }
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout)
    try:
        connection.request("POST", parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(300).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as reason:
        return 0, f"{type(reason).__name__}: {reason}"
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout)
