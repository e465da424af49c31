"""The card on a contact's page: its mails, and whether it wants any."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from campaigns.models import Mail, Suppression
from campaigns.standing import mail_badge
from common.along import along, read
from contacts import panels
from contacts.views.access import may_edit

NEWEST = 10


def register() -> None:
    panels.register(panels.Panel("mails", "Mails", "campaigns/_widget.html", _mails, order=120, along=_silences))


def _silences() -> dict[str, Combinable]:
    """Addresses are unique among them, so there is one or none."""
    mine = Suppression.objects.filter(email_key=OuterRef("email_key"))
    return {"silences_told": along(mine, "reason", "detail", "created_at", "by__id", "by__name", "by__email")}


def _mails(contact: Any, request: HttpRequest) -> dict[str, Any] | None:
    newest = list(Mail.objects.filter(contact=contact).select_related("campaign").order_by("-pk")[: NEWEST + 1])
    silent = next(iter(read(Suppression, contact.silences_told)), None)
    if not newest and not contact.email_key:
        return None
    return {
        "mails": [(mail, mail_badge(mail)) for mail in newest[:NEWEST]],
        "is_cut": len(newest) > NEWEST,
        "silent": silent,
        "may_edit": may_edit(request) and bool(contact.email_key),
    }
