"""What mail providers tell of mails: bounces, complaints, replies. In Anymail's words, whoever the provider is."""

from __future__ import annotations

import re
import uuid
from typing import Any

from anymail.signals import inbound, tracking
from django.db.models import QuerySet

from campaigns.happenings import record
from campaigns.models import Mail, MailEvent
from contacts.email import email_key

Kind = MailEvent.Kind
# Opens and clicks are counted by our own links, where the campaign wants that.
_KINDS = {
    "delivered": Kind.DELIVERED,
    "deferred": Kind.DEFERRED,
    "bounced": Kind.BOUNCED,
    "rejected": Kind.BOUNCED,
    "failed": Kind.BOUNCED,
    "complained": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
}
# Refused for what the mail was or whence it came: that says nothing of the address for ever.
_PASSING = ("blocked", "spam", "timed_out", "unsubscribed")
_FINAL = ("invalid", "bounced")
# Anymail calls these bounces like those for ever; the provider's own word says that they may pass.
_SOFT = {"SoftBounce", "soft_bounce", "activity.soft_bounced"}
_SOFT_CLASSES = {"20", "21", "22", "23", "24", "70"}
_DELIVERY_ID = re.compile(r"<([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@")
_MESSAGE_ID = re.compile(r"<([^<>\s]+)>")


def listen() -> None:
    tracking.connect(_tracked, dispatch_uid="campaigns")
    inbound.connect(_received, dispatch_uid="campaigns")


def _tracked(sender: Any, event: Any, esp_name: str, **_: Any) -> None:
    kind = _KINDS.get(event.event_type)
    mail = _by_delivery((event.metadata or {}).get("mail")) or _by_provider(event.message_id)
    if kind is None or mail is None:
        return
    detail = str(event.mta_response or event.description or event.reject_reason or "")
    about = event.event_id or f"{event.event_type}:{event.message_id}:{event.timestamp}"
    is_final = _is_final(event.event_type, event.reject_reason) and not _is_soft(event.esp_event)
    record(mail, kind, detail=detail, key=f"{esp_name}:{about}", at=event.timestamp, is_final=is_final)


def _is_final(event_type: str, reason: str | None) -> bool:
    """Whether a bounce is for ever. Anymail calls what may pass "deferred", so one that "bounced" is, as a rule."""
    if event_type in ("rejected", "failed"):
        return reason in _FINAL
    return event_type != "bounced" or reason not in _PASSING


def _is_soft(told: Any) -> bool:
    """Whether the provider itself says that a bounce may pass. Not every one tells in a dictionary.

    Postmark, Brevo, Mandrill, MailerSend, Mailjet and SparkPost; the others are told apart by Anymail.
    """
    if not isinstance(told, dict):
        return False
    if not _SOFT.isdisjoint(str(told.get(name, "")) for name in ("Type", "event", "type")):
        return True
    sparkpost = (one for one in (told.get("msys") or {}).values() if isinstance(one, dict))
    return told.get("hard_bounce") is False or any(str(one.get("bounce_class")) in _SOFT_CLASSES for one in sparkpost)


def _received(sender: Any, event: Any, esp_name: str, **_: Any) -> None:
    """An answer to one of our mails: by what it refers to, else by who wrote it."""
    message = event.message
    references = f"{message.get('In-Reply-To', '')} {message.get('References', '')}"
    mail = _answered(references) or _newest_to(str(getattr(message.from_email, "addr_spec", "") or ""))
    if mail is None:
        return
    about = event.event_id or str(message.get("Message-ID", "")) or f"{mail.pk}:{event.timestamp}"
    subject = str(message.subject or "")
    record(mail, Kind.REPLIED, detail=subject, key=f"{esp_name}:{about}", at=event.timestamp)


def _answered(references: str) -> Mail | None:
    ours = [_by_delivery(found) for found in _DELIVERY_ID.findall(references)]
    theirs = [_by_provider(found) for found in _MESSAGE_ID.findall(references)]
    return next((mail for mail in (*ours, *theirs) if mail), None)


def _by_delivery(text: Any) -> Mail | None:
    try:
        return _mails().filter(delivery_id=uuid.UUID(str(text))).first() if text else None
    except ValueError:
        return None


def _by_provider(message_id: Any) -> Mail | None:
    if not message_id:
        return None
    bare = str(message_id).strip("<>")
    return _answered_by_us(bare) or _mails().filter(provider_id__in=[bare, f"<{bare}>"]).first()


def _answered_by_us(message_id: str) -> Mail | None:
    """Some providers name a mail by its own Message-ID."""
    return _by_delivery(message_id.partition("@")[0]) if re.match(r"[0-9a-f-]{36}@", message_id) else None


def _newest_to(address: str) -> Mail | None:
    try:
        key = email_key(address)
    except ValueError:
        return None
    return _mails().filter(contact__email_key=key, outcome=Mail.Outcome.SENT).order_by("-pk").first()


def _mails() -> QuerySet[Mail]:
    return Mail.objects.get_queryset().select_related("contact")
