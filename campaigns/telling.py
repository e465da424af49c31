"""Mails on the timelines of contacts: sent, and each thing that became of one the first time it happens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from campaigns.models import Mail, MailEvent
from common.origin import Origin
from contacts import timeline
from contacts.activities import NewActivity, record_activities
from contacts.models import Activity, Kind

_TOLD = {
    MailEvent.Kind.OPENED: (Kind.MAIL_OPENED, "Mail opened"),
    MailEvent.Kind.CLICKED: (Kind.MAIL_CLICKED, "Link followed in mail"),
    MailEvent.Kind.BOUNCED: (Kind.MAIL_BOUNCED, "Mail came back"),
    MailEvent.Kind.COMPLAINED: (Kind.MAIL_COMPLAINED, "Mail marked as spam"),
    MailEvent.Kind.UNSUBSCRIBED: (Kind.MAIL_UNSUBSCRIBED, "Unsubscribed by mail"),
    MailEvent.Kind.REPLIED: (Kind.MAIL_REPLIED, "Mail answered"),
}


def register() -> None:
    # Very old mails go, their lines stay (see campaigns.retention).
    timeline.link_pages("mail", Mail, "campaigns:mail")


def sent(mails: Iterable[int]) -> None:
    """They left; those told of already are passed by. Primary keys; inside a transaction that holds merges."""
    keys = {_key(pk, Kind.MAIL_SENT): pk for pk in mails}
    known = set(Activity.objects.filter(dedupe__in=list(keys)).values_list("dedupe", flat=True))
    untold = [pk for key, pk in keys.items() if key not in known]
    # Read anew: the contact may have been merged while the mail server was waited for.
    found = Mail.objects.select_related("campaign").filter(pk__in=untold) if untold else []
    record_activities([_about(mail, Kind.MAIL_SENT, "Mail sent", mail.sent_at or timezone.now()) for mail in found])


def happened(mail: Mail, kind: str, at: datetime | None) -> None:
    """Told once a mail and kind, however often it happens. Inside a transaction that holds merges."""
    if told := _TOLD.get(MailEvent.Kind(kind)):
        record_activities([_about(mail, *told, at or timezone.now())])


def _key(mail_id: int, kind: Kind) -> str:
    return f"mail:{mail_id}:{kind.value}"


def _about(mail: Mail, kind: Kind, words: str, at: datetime) -> NewActivity:
    return NewActivity(
        contact_id=mail.contact_id,
        kind=kind,
        occurred_at=at,
        summary=f"{words}: {mail}",
        origin=Origin.AUTOMATION,
        dedupe=_key(mail.pk, kind),
        is_test=mail.is_test,
        data={"mail": mail.pk, "campaign": mail.campaign.name},
        # No trigger listens to mails.
        silent=True,
    )
