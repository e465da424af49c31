"""Where mail goes in a demo: into a table, to be read on a page. `EMAIL_URL=mailbox://`."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from campaigns.models import Mail, SentCopy
from common.text import storable

BACKEND = "campaigns.mailbox.EmailBackend"


def is_used() -> bool:
    return bool(settings.EMAIL_BACKEND == BACKEND)


class EmailBackend(BaseEmailBackend):
    """Keeps every mail of the product as a `SentCopy`."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            metadata = getattr(message, "metadata", {})
            mail = Mail.objects.filter(delivery_id=metadata["mail"]).first() if "mail" in metadata else None
            SentCopy.objects.create(**copy_of(message), mail=mail)
        return len(email_messages)


def copy_of(message: EmailMessage) -> dict[str, Any]:
    """The fields of a SentCopy. Written out first, so that what no mail server takes is not taken here either."""
    written: Message = message.message()
    alternatives = getattr(message, "alternatives", [])
    html = next((str(body.content) for body in alternatives if body.mimetype == "text/html"), "")
    return {
        "message_id": str(written.get("Message-ID", ""))[:255],
        "sender": storable(message.from_email)[:500],
        "to": storable(", ".join(message.recipients()))[:1000],
        "subject": storable(str(message.subject))[:1000],
        "headers": [[name, storable(str(value))] for name, value in written.items()],
        "html": storable(html),
        "text": storable(str(message.body)),
    }
