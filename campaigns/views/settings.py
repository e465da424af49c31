"""Settings: how mail leaves this workspace."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from campaigns import delivery, mailbox
from campaigns.forms import DeliveryForm
from campaigns.models import DeliverySettings
from users import audit
from users.roles import role_required

FIELDS = ("from_name", "from_address", "reply_to", "postal_address")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@role_required("admin")
def edit(request: HttpRequest) -> HttpResponseBase:
    current = DeliverySettings.current()
    before = {name: getattr(current, name) for name in FIELDS}
    form = DeliveryForm(request.POST or None, instance=current)
    if form.is_valid():
        form.save()
        changed = {name: (before[name], getattr(current, name)) for name in form.changed_data}
        audit.record(request, "changed email delivery", "Email delivery", **changed)
        messages.success(request, "Email delivery saved")
        return redirect("campaigns:delivery")
    context = {
        "form": form,
        "way": _way(),
        "can_send": delivery.is_configured(),
        "sender": settings.DEFAULT_FROM_EMAIL,
        "hooks": settings.SITE_URL + "/hooks/mail/" if settings.MAIL_WEBHOOK_SECRET else "",
    }
    return render(request, "campaigns/settings.html", context, status=422 if form.errors else 200)


def _way() -> str:
    """Who sends mails, in words; never a key or a password."""
    if not delivery.is_configured():
        return "Nobody yet, so no mail can leave. Whoever runs this server can set it up (EMAIL_URL)."
    if mailbox.is_used():
        return "Nobody. This demo keeps every mail in its mailbox, so none reaches real people."
    backend = str(settings.EMAIL_BACKEND)
    if backend.startswith("anymail."):
        return backend.split(".")[2].replace("_", " ").title()
    if "smtp" in backend:
        return f"The mail server {settings.EMAIL_HOST}, port {settings.EMAIL_PORT}"
    return f"Nobody. Mails are only written down on the server ({backend.split('.')[-2]}) and reach no one."
