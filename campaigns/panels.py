"""The card on a contact's page: its mails, and whether it wants any."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from campaigns.models import Mail, Suppression
from campaigns.standing import mail_badge
from contacts import panels
from contacts.models import Contact
from contacts.views.access import may_edit

NEWEST = 10


def register() -> None:
    panels.register(panels.Panel("mails", "Mails", "campaigns/_widget.html", _mails, order=120))


def _mails(contact: Contact, request: HttpRequest) -> dict[str, Any] | None:
    newest = list(Mail.objects.filter(contact=contact).select_related("campaign").order_by("-pk")[: NEWEST + 1])
    silent = Suppression.objects.filter(email_key=contact.email_key).first() if contact.email_key else None
    if not newest and not contact.email_key:
        return None
    return {
        "mails": [(mail, mail_badge(mail)) for mail in newest[:NEWEST]],
        "is_cut": len(newest) > NEWEST,
        "silent": silent,
        "may_edit": may_edit(request) and bool(contact.email_key),
    }
