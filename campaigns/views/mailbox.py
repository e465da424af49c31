"""The mailbox of the demo: every mail the product sent. Only where mails go into it."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from campaigns import mailbox
from campaigns.models import SentCopy
from campaigns.views.browse import FRAMES
from common.htmx import render_fragment_or_page
from common.text import storable
from users.roles import require, role_required

PAGE = 50


@require_safe
@role_required("staff")
def mails(request: HttpRequest) -> HttpResponseBase:
    if not mailbox.is_used():
        raise Http404
    words = storable(request.GET.get("q", ""))[:200]
    found = SentCopy.objects.seen_by(require(request, "staff")).defer("html", "text", "headers")
    if words:
        found = found.filter(Q(to__icontains=words) | Q(subject__icontains=words))
    page = Paginator(found.order_by("-sent_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "q": words}
    return render_fragment_or_page(request, "campaigns/mailbox.html", "campaigns/_mailbox.html", context)


@require_safe
@FRAMES
@role_required("staff")
def mail(request: HttpRequest, pk: int) -> HttpResponseBase:
    if not mailbox.is_used():
        raise Http404
    copies = SentCopy.objects.seen_by(require(request, "staff")).select_related("mail__contact", "mail__campaign")
    copy = get_object_or_404(copies, pk=pk)
    return render(request, "campaigns/mailbox_mail.html", {"copy": copy})
