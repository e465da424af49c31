"""Django with the product's settings and one view that only verifies the signature: what the framework itself costs."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.contrib.auth.decorators import login_not_required
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from bench.doors import is_genuine


@csrf_exempt
@login_not_required
def verified(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200 if request.method == "GET" or is_genuine(request.META, request.body) else 400)


urlpatterns = [path("", verified), path("health/", verified)]
_django = get_wsgi_application()

from django.conf import settings  # noqa: E402

settings.ROOT_URLCONF = "bench.empty"
application = _django
