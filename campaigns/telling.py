"""Mails on the timelines of contacts: sent, and each thing that became of one the first time it happens."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from campaigns.models import Mail, MailEvent
from common.origin import Origin
from contacts.activities import NewActivity, record_activities
from contacts.models import Kind

_TOLD = {
    MailEvent.Kind.OPENED: (Kind.MAIL_OPENED, "Mail opened"),
    MailEvent.Kind.CLICKED: (Kind.MAIL_CLICKED, "Link followed in mail"),
    MailEvent.Kind.BOUNCED: (Kind.MAIL_BOUNCED, "Mail came back"),
    MailEvent.Kind.COMPLAINED: (Kind.MAIL_COMPLAINED, "Mail marked as spam"),
    MailEvent.Kind.UNSUBSCRIBED: (Kind.MAIL_UNSUBSCRIBED, "Unsubscribed by mail"),
    MailEvent.Kind.REPLIED: (Kind.MAIL_REPLIED, "Mail answered"),
}


def sent(mail_id: int) -> None:
    """It left. Inside a transaction that holds merges."""
    # Read anew: its contact may have been merged while the mail server was waited for.
    _tell(Mail.objects.select_related("campaign").get(pk=mail_id), Kind.MAIL_SENT, "Mail sent", timezone.now())


def happened(mail: Mail, kind: str, at: datetime | None) -> None:
    """Told once a mail and kind, however often it happens. Inside a transaction that holds merges."""
    if told := _TOLD.get(MailEvent.Kind(kind)):
        _tell(mail, *told, at or timezone.now())


def _tell(mail: Mail, kind: Kind, words: str, at: datetime) -> None:
    activity = NewActivity(
        contact_id=mail.contact_id,
        kind=kind,
        occurred_at=at,
        summary=f"{words}: {mail}",
        origin=Origin.AUTOMATION,
        dedupe=f"mail:{mail.pk}:{kind.value}",
        is_test=mail.is_test,
        data={"mail": mail.pk, "campaign": mail.campaign.name},
        # No trigger listens to mails.
        silent=True,
    )
    record_activities([activity])
