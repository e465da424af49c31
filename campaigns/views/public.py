"""What a mail's recipient reaches without signing in: the picture, the links, and the way out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from campaigns import links
from campaigns.happenings import addresses, record
from campaigns.links import EXAMPLE
from campaigns.models import Mail, MailEvent, Suppression
from campaigns.suppressing import suppress
from contacts.models import Contact

_DOT = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def _for_strangers(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Open to everybody, kept nowhere, found by no search engine, telling no other site where people come from."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response.headers["X-Robots-Tag"] = "noindex"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return never_cache(login_not_required(answered))


@_for_strangers
@require_safe
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """One transparent dot, always: a mail program shall not show a broken picture."""
    if request.method == "GET" and (mail := _mail(links.read_open(token))):
        record(mail, MailEvent.Kind.OPENED)
    return HttpResponse(_DOT, content_type="image/gif")


@_for_strangers
@require_safe
def clicked(request: HttpRequest, token: str) -> HttpResponse:
    """On to where the link led when the mail was sent. 404 for a link that we did not make."""
    found = links.read_click(token)
    if found is None:
        raise Http404
    mail_id, target = found
    # Programs that ask by HEAD where a link leads have not clicked it.
    if request.method == "GET" and (mail := _mail(mail_id)):
        record(mail, MailEvent.Kind.CLICKED, url=target)
    return HttpResponseRedirect(target)


@_for_strangers
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, as mail scanners follow links; POST does it, with one click from a mail program too (RFC 8058)."""
    if token == EXAMPLE:
        return render(request, "campaigns/unsubscribe.html", {"is_example": True})
    mail_id, contact_id = links.read_unsubscribe(token) or (None, None)
    if mail := _mail(mail_id):
        wanted, address = addresses(mail, MailEvent.Kind.UNSUBSCRIBED), mail.to or mail.contact.email
    else:
        # Removed for its age. The contact is known, and that is enough.
        address, key = _contact(contact_id)
        wanted = {key}
    if request.method == "POST" and mail:
        record(mail, MailEvent.Kind.UNSUBSCRIBED)
    elif request.method == "POST":
        suppress(key, Suppression.Reason.UNSUBSCRIBED)
    is_over = Suppression.objects.filter(email_key__in=wanted).count() == len(wanted)
    return render(request, "campaigns/unsubscribe.html", {"is_over": is_over, "address": address})


def _contact(pk: int | None) -> tuple[str, str]:
    """The address, as it is written and normalised, of a contact or of the one it was merged into. 404 without one."""
    found = Contact.objects.select_related("merged_into").filter(pk=pk).first() if pk else None
    found = (found.merged_into or found) if found else None
    if found is None or not found.email_key:
        raise Http404
    return found.email, found.email_key


def _mail(pk: int | None) -> Mail | None:
    return Mail.objects.get_queryset().select_related("contact").filter(pk=pk).first() if pk else None
