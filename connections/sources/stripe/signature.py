"""Stripe's signature over the raw bytes of a delivery."""

from __future__ import annotations

from collections.abc import Iterable

import stripe

TOLERANCE_SECONDS = 300
LONGEST_HEADER = 8192


def is_genuine(body: bytes, header: str, secrets: Iterable[str], *, whenever: bool = False) -> bool:
    """Was the body signed with one of the secrets, not longer ago than five minutes, or `whenever`? Never raises."""
    if not header or len(header) > LONGEST_HEADER:
        return False
    return any(_matches(body, header, secret, None if whenever else TOLERANCE_SECONDS) for secret in secrets)


def _matches(body: bytes, header: str, secret: str, tolerance: int | None) -> bool:
    try:
        # Latin-1 keeps every byte apart, whatever the encoding; the library signs text, so it is given UTF-8 only.
        text = body.decode("utf-8")
        return bool(stripe.WebhookSignature.verify_header(text, header, secret, tolerance))
    except (stripe.SignatureVerificationError, UnicodeDecodeError, AttributeError, ValueError):
        return False
