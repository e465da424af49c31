"""Handing one mail to whoever delivers it, and what an error then means: again, never, or nobody knows."""

from __future__ import annotations

import smtplib
import uuid
from dataclasses import dataclass, replace
from email.utils import parseaddr
from enum import StrEnum
from typing import Any

from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import BadHeaderError

from campaigns.models import Campaign, DeliverySettings
from campaigns.rendering import Rendered, one_line


class Verdict(StrEnum):
    SENT = "sent"
    AGAIN = "again"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Result:
    """`detail` is for people; `provider_id` is the provider's own name of the mail, where it told one.

    `code`: the SMTP or HTTP status of a refusal.
    """

    verdict: Verdict
    detail: str = ""
    provider_id: str = ""
    code: str = ""


class Unreachable(Exception):
    """Whoever delivers does not answer or refuses us: nothing was handed over. Trying again later helps."""


def is_configured() -> bool:
    """Whether mail can leave at all."""
    return bool(settings.EMAIL_URL)


def message(
    campaign: Campaign,
    rendered: Rendered,
    delivery: DeliverySettings,
    *,
    to: str,
    name: str = "",
    delivery_id: uuid.UUID,
    unsubscribe_url: str = "",
) -> EmailMultiAlternatives:
    """The mail to one recipient, with the headers by which mail programs offer to unsubscribe (RFC 8058)."""
    sender = campaign.from_address or delivery.sender
    host = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    headers = {"Message-ID": f"<{delivery_id}@{host}>"}
    if unsubscribe_url:
        headers |= {
            "List-Unsubscribe": f"<{unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    reply_to = campaign.reply_to or delivery.reply_to
    mail = EmailMultiAlternatives(
        rendered.subject,
        rendered.text,
        _mailbox(campaign.from_name or delivery.sender_name, sender),
        [_mailbox(name, to)],
        headers=headers,
        reply_to=[reply_to] if reply_to else None,
    )
    if rendered.html:
        mail.attach_alternative(rendered.html, "text/html")
    # What a provider tells later of this mail carries it along.
    mail.metadata = {"mail": str(delivery_id)}  # type: ignore[attr-defined]
    return mail


class Carrier:
    """The open way to the mail server, for a batch of mails. Unreachable if it cannot be opened."""

    def __init__(self) -> None:
        self._backend: Any = get_connection()
        self._open()

    def ready(self) -> None:
        """Make sure that the server still listens, before a mail is marked as handed over."""
        smtp = getattr(self._backend, "connection", None)
        if not isinstance(smtp, smtplib.SMTP):
            return
        try:
            answers = smtp.noop()[0] == 250
        except (smtplib.SMTPException, OSError):
            answers = False
        if not answers:
            self.close()
            self._open()

    def hand_over(self, mail: EmailMultiAlternatives) -> Result:
        """Never raises: whatever happens is a result."""
        try:
            self._backend.send_messages([mail])
        except Exception as error:
            result = _judged(error)
            if not isinstance(error, smtplib.SMTPRecipientsRefused):
                self.close()
            return result
        status = getattr(mail, "anymail_status", None)
        refused = getattr(status, "status", None) or set()
        if refused and refused <= {"invalid", "rejected", "failed"}:
            return Result(Verdict.NEVER, f"The provider refused the address ({', '.join(sorted(refused))}).")
        return Result(Verdict.SENT, provider_id=str(getattr(status, "message_id", "") or "")[:255])

    def close(self) -> None:
        try:
            self._backend.close()
        except (smtplib.SMTPException, OSError):
            self._backend.connection = None

    def _open(self) -> None:
        try:
            self._backend.open()
        except (smtplib.SMTPException, OSError, AnymailError) as error:
            # A server that refused to let us in still holds the line.
            self.close()
            raise Unreachable(_told(error)) from error


def _judged(error: Exception) -> Result:
    """Only an answer tells that a mail was not taken. Silence after the hand-over tells nothing."""
    match error:
        case BadHeaderError() | UnicodeError():
            return Result(Verdict.NEVER, f"This mail cannot be written as one: {error}")
        case smtplib.SMTPRecipientsRefused():
            code, text = next(iter(error.recipients.values()), (550, b""))
            return _refused(code, text, "recipient")
        case smtplib.SMTPSenderRefused():
            # It is the sender's fault, which somebody will mend: the mails wait for it.
            return replace(_refused(error.smtp_code, error.smtp_error, "sender"), verdict=Verdict.AGAIN)
        case smtplib.SMTPResponseException():
            return _refused(error.smtp_code, error.smtp_error, "mail")
        case smtplib.SMTPNotSupportedError():
            return Result(Verdict.NEVER, f"The mail server cannot take this mail: {error}")
        case AnymailRecipientsRefused():
            return Result(Verdict.NEVER, "The provider refused the recipient.")
        case AnymailAPIError() if error.status_code is not None:
            status = error.status_code
            return Result(_by_status(status), f"The provider answered {status}.", code=str(status))
    return Result(Verdict.UNKNOWN, f"The answer never came: {_told(error)}")


def _refused(code: int, text: bytes | str, what: str) -> Result:
    return Result(_by_code(code), f"The mail server refused the {what}: {code} {_text(text)}", code=str(code))


def _by_code(code: int) -> Verdict:
    return Verdict.NEVER if 500 <= code < 600 else Verdict.AGAIN


def _by_status(status: int) -> Verdict:
    if status in (401, 403, 408, 425, 429, 503):
        return Verdict.AGAIN
    return Verdict.NEVER if 400 <= status < 500 else Verdict.UNKNOWN


def _mailbox(name: str, address: str) -> str:
    """«"Ana López" <ana@example.com>», with nothing in the name that could end it."""
    name = one_line(name)
    address = one_line(address)
    if not name or "<" in address:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _text(answer: bytes | str) -> str:
    return one_line(answer.decode(errors="replace") if isinstance(answer, bytes) else answer)[:300]


def _told(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__)[:300]
