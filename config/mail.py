"""How mail leaves, read from EMAIL_URL: an SMTP server, a provider's API, or the mailbox of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

MAILBOX = "campaigns.mailbox.EmailBackend"
# Provider -> what Anymail calls the parts of anymail+provider://first:second@host
PROVIDERS: dict[str, tuple[str, ...]] = {
    "brevo": ("API_KEY",),
    "mailersend": ("API_TOKEN",),
    "mailgun": ("API_KEY",),
    "mailjet": ("API_KEY", "SECRET_KEY"),
    "mailtrap": ("API_TOKEN",),
    "mandrill": ("API_KEY",),
    "postal": ("API_KEY",),
    "postmark": ("SERVER_TOKEN",),
    "resend": ("API_KEY",),
    "sendgrid": ("API_KEY",),
    "sparkpost": ("API_KEY",),
    "unisender_go": ("API_KEY",),
}
# Where the host names something the provider must know.
_HOSTS = {"mailgun": "SENDER_DOMAIN"}


def mail_settings(url: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The EMAIL_… settings and ANYMAIL. Every ANYMAIL_… variable is one of Anymail's settings too."""
    anymail: dict[str, Any] = {
        name.removeprefix("ANYMAIL_"): value
        for name, value in environment.items()
        if name.startswith("ANYMAIL_") and value
    }
    anymail.setdefault("REQUESTS_TIMEOUT", 15)
    if secret := environment.get("MAIL_WEBHOOK_SECRET"):
        anymail["WEBHOOK_SECRET"] = secret
    if url.startswith("anymail+"):
        return {"EMAIL_BACKEND": _provider(url, anymail), "ANYMAIL": anymail}
    if url.startswith("mailbox:"):
        return {"EMAIL_BACKEND": MAILBOX, "ANYMAIL": anymail}
    return {**environ.Env.email_url_config(url or "consolemail://"), "ANYMAIL": anymail}


def _provider(url: str, anymail: dict[str, Any]) -> str:
    """Fills Anymail's settings from the address; the path of the provider's backend."""
    parts = urlsplit(url)
    name = parts.scheme.removeprefix("anymail+").replace("-", "_")
    if name not in PROVIDERS:
        raise ImproperlyConfigured(f"EMAIL_URL names no known provider. There are: {', '.join(sorted(PROVIDERS))}.")
    prefix = name.upper()
    for key, value in zip(PROVIDERS[name], (parts.username, parts.password), strict=False):
        if value:
            anymail[f"{prefix}_{key}"] = unquote(value)
    if name in _HOSTS and parts.hostname:
        anymail[f"{prefix}_{_HOSTS[name]}"] = parts.hostname
    anymail |= {f"{prefix}_{key.upper()}": value for key, value in parse_qsl(parts.query)}
    return f"anymail.backends.{name}.EmailBackend"
