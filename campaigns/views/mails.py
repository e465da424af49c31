"""One mail and what became of it; sending it once more; who wants none."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from campaigns import sending
from campaigns.models import Mail, Suppression
from campaigns.standing import mail_badge
from campaigns.suppressing import allow_again, suppress
from campaigns.views.browse import FRAMES
from contacts.models import Contact
from contacts.views.access import may_edit
from users import audit
from users.roles import require, role_required

_AGAIN = (Mail.Outcome.UNKNOWN, Mail.Outcome.FAILED)


@require_safe
@FRAMES
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    mail = get_object_or_404(Mail.objects.select_related("campaign", "contact", "resend_of"), pk=pk)
    context = {
        "mail": mail,
        "badge": mail_badge(mail),
        "happenings": mail.happenings.order_by("-at", "-pk"),
        "copy": mail.copies.order_by("-pk").first(),
        "may_resend": may_edit(request) and mail.outcome in _AGAIN and not mail.resent.exists(),
    }
    return render(request, "campaigns/mail.html", context)


@require_POST
@role_required("marketer")
def resend(request: HttpRequest, pk: int) -> HttpResponseBase:
    """For mails that failed, and for those of which nobody knows whether they went."""
    mail = get_object_or_404(Mail.objects.filter(outcome__in=_AGAIN), pk=pk)
    again = sending.resend(mail)
    audit.record(request, "resent mail", mail, contact=mail.contact_id)
    messages.success(request, "The mail is sent once more")
    return redirect("campaigns:mail", again.pk)


@require_POST
@role_required("marketer")
def subscribe(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The contact asked for mails again."""
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    if contact.email_key and allow_again(contact.email_key):
        audit.record(request, "subscribed contact again", contact)
        messages.success(request, "The contact gets mails again")
    return redirect(contact)


@require_POST
@role_required("marketer")
def unsubscribe(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The contact asked by phone, say."""
    contact = get_object_or_404(Contact.objects.present(), pk=pk)
    user = require(request, "marketer")
    if contact.email_key and suppress(contact.email_key, Suppression.Reason.UNSUBSCRIBED, by=user):
        audit.record(request, "unsubscribed contact", contact)
        messages.success(request, "The contact gets no more mails")
    return redirect(contact)
