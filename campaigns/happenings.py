"""What became of a mail: opened, clicked, bounced, answered. Each fact once, counted on the mail."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from campaigns import tallying, telling
from campaigns.models import Mail, MailEvent, Suppression
from campaigns.suppressing import suppress
from common import rows
from contacts.email import email_key
from contacts.merging import hold_merges

Kind = MailEvent.Kind
_TIMES = {
    Kind.OPENED: "opened_at",
    Kind.CLICKED: "clicked_at",
    Kind.DELIVERED: "delivered_at",
    Kind.BOUNCED: "bounced_at",
    Kind.COMPLAINED: "complained_at",
    Kind.UNSUBSCRIBED: "unsubscribed_at",
    Kind.REPLIED: "replied_at",
}
_COUNTS = {Kind.OPENED: "opens", Kind.CLICKED: "clicks"}
_SUPPRESSES = {
    Kind.UNSUBSCRIBED: Suppression.Reason.UNSUBSCRIBED,
    Kind.COMPLAINED: Suppression.Reason.COMPLAINED,
    Kind.BOUNCED: Suppression.Reason.BOUNCED,
}
# Anybody can ask for a picture as often as they like: beyond this only the count goes up.
MOST_ROWS = 50


@transaction.atomic
def record(
    mail: Mail,
    kind: MailEvent.Kind,
    *,
    url: str = "",
    detail: str = "",
    key: str | None = None,
    at: datetime | None = None,
    is_final: bool = True,
) -> bool:
    """False if it was told before (`key`), or the mail is gone. A bounce that is not final keeps the address in use."""
    hold_merges()
    before = Mail.objects.get_queryset().select_for_update(no_key=True).filter(pk=mail.pk).first()
    if before is None or not _stored(mail, kind, url, detail, key, at):
        return False
    changes: dict[str, object] = {}
    if column := _TIMES.get(kind):
        changes[column] = Coalesce(F(column), at or Now())
    if count := _COUNTS.get(kind):
        changes[count] = F(count) + 1
    if kind == Kind.CLICKED:
        # Who follows a link has opened the mail, whatever the picture tells.
        changes["opened_at"] = Coalesce(F("opened_at"), at or Now())
    if kind == Kind.BOUNCED and not before.bounced_at:
        # News for whoever asked for it.
        changes["told_at"] = None
    if changes:
        Mail.objects.filter(pk=mail.pk).update(**changes)
    if kind in _SUPPRESSES and is_final and not mail.is_test:
        # In order, so that two do not lock crosswise.
        for address in sorted(addresses(mail, kind)):
            suppress(address, _SUPPRESSES[kind], mail=mail, detail=detail)
    telling.happened(before, kind, at)
    # Last, as all mails of the campaign meet there.
    tallying.later(before, [column for column in changes if column in tallying.TIMES and not getattr(before, column)])
    return True


def addresses(mail: Mail, kind: str) -> set[str]:
    """Normalised: the one it went to. Who wants no more mail wants none at the address the contact has by now either;
    but a bounce says nothing of that.
    """
    went_to = {email_key(mail.to)} if mail.to else set()
    if kind == Kind.BOUNCED and went_to:
        return went_to
    return went_to | ({mail.contact.email_key} if mail.contact.email_key else set())


def _stored(mail: Mail, kind: str, url: str, detail: str, key: str | None, at: datetime | None) -> bool:
    event = MailEvent(mail=mail, kind=kind, url=url[:2000], detail=detail[:500], key=key[:255] if key else None)
    if at:
        event.at = at
    if key is None and MailEvent.objects.filter(mail=mail).count() >= MOST_ROWS:
        return True
    return bool(rows.insert([event], conflict="on conflict (key) do nothing", told=("id",)))
