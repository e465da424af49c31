"""Django with the product's settings and middleware and a page that shows nothing to somebody who is signed in."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.contrib.auth.decorators import login_not_required
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>Empty</title>")


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("well")


urlpatterns = [path("empty/", empty), path("health/", health)]
_django = get_wsgi_application()

from django.conf import settings  # noqa: E402

settings.ROOT_URLCONF = "bench.empty_page"
application = _django
