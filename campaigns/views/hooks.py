"""Where mail providers tell of bounces, complaints and replies. Anymail reads them; the secret is ours."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
@login_not_required
def receive(request: HttpRequest, provider: str, kind: str) -> HttpResponse:
    """404 without MAIL_WEBHOOK_SECRET, for unknown providers, and for those whose own signing key is missing; 400 for
    a wrong secret.
    """
    if not settings.MAIL_WEBHOOK_SECRET:
        raise Http404
    try:
        found = resolve(f"/{provider}/{kind}/", urlconf="campaigns.provider_urls")
        response: HttpResponse = found.func(request, *found.args, **found.kwargs)
    except (Resolver404, ImproperlyConfigured) as error:
        raise Http404 from error
    return response
