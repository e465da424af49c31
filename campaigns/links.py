"""Addresses in mails that lead to us: signed, built from SITE_URL, and good for years.

Signed with FIELD_KEYS and not with SECRET_KEY, which may change at any time: a link to unsubscribe must outlive that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Literal

from django.conf import settings
from django.urls import reverse
from django.utils.html import escape

Purpose = Literal["unsubscribe", "open", "click"]
# In place of a token: the link in a test mail, which unsubscribes nobody.
EXAMPLE = "example"
_SIGNATURE = 16
# Some mail programs cut addresses off; a longer one leads straight to its target.
LONGEST_TARGET = 1200
_PICTURE = re.compile(r'<img src="[^"]*/mail/o/[^"]*"[^>]*>')
_FOLLOWED = re.compile(r'href="[^"]*/mail/c/([\w-]+)/"')


def unsubscribe_url(mail_id: int, contact_id: int) -> str:
    """Names the contact too: the link must work when the mail is long removed."""
    return _address("campaigns:unsubscribe", token("unsubscribe", f"{mail_id}:{contact_id}"))


def open_url(mail_id: int) -> str:
    """The picture of one dot that tells of an opened mail."""
    return _address("campaigns:opened", token("open", str(mail_id)))


def click_url(mail_id: int, target: str) -> str:
    """Leads to `target` and counts. Only we can sign, so it leads nowhere that was not in a mail."""
    return _address("campaigns:clicked", token("click", f"{mail_id}:{target}"))


def token(purpose: Purpose, text: str) -> str:
    return _encoded(_signature(purpose, text, settings.FIELD_KEYS[0]) + text.encode())


def read_open(signed: str) -> int | None:
    """The mail of a picture; None if we did not sign it."""
    text = _read("open", signed)
    return int(text) if text is not None else None


def read_unsubscribe(signed: str) -> tuple[int, int | None] | None:
    """(mail, contact) of a link; None if we did not sign it. Links of old mails name no contact."""
    text = _read("unsubscribe", signed)
    if text is None:
        return None
    mail_id, _, contact_id = text.partition(":")
    return int(mail_id), int(contact_id) if contact_id else None


def read_click(signed: str) -> tuple[int, str] | None:
    """(mail, target) of a link; None if we did not sign it."""
    text = _read("click", signed)
    if text is None:
        return None
    mail_id, _, target = text.partition(":")
    return int(mail_id), target


def uncounted(html: str) -> str:
    """The HTML of a mail with its links as they were written and without the picture that tells of its opening.

    A colleague who looks at it has not opened the contact's mail, nor clicked in it.
    """

    def replace(match: re.Match[str]) -> str:
        found = read_click(match[1])
        return f'href="{escape(found[1])}"' if found else match[0]

    return _FOLLOWED.sub(replace, _PICTURE.sub("", html))


def _read(purpose: Purpose, signed: str) -> str | None:
    try:
        raw = base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
        signature, text = raw[:_SIGNATURE], raw[_SIGNATURE:].decode()
    except (binascii.Error, ValueError):
        return None
    for key in settings.FIELD_KEYS:
        if hmac.compare_digest(signature, _signature(purpose, text, key)):
            return text
    return None


def _signature(purpose: Purpose, text: str, key: str) -> bytes:
    return hmac.new(key.encode(), f"campaigns.links:{purpose}:{text}".encode(), hashlib.sha256).digest()[:_SIGNATURE]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _address(name: str, signed: str) -> str:
    return str(settings.SITE_URL) + reverse(name, args=[signed])


def example_unsubscribe_url() -> str:
    return _address("campaigns:unsubscribe", EXAMPLE)
