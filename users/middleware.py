"""Deny by default, in the way the browser can follow."""

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Every page asks for sign-in unless it is marked `login_not_required`."""

    def handle_no_permission(self, request: HttpRequest, view_func: object) -> HttpResponseBase:
        # A fragment must not be replaced by the sign-in page: the whole page goes there.
        if getattr(request, "htmx", None):
            response: HttpResponse = HttpResponseClientRedirect(reverse("account_login"))
            return response
        return super().handle_no_permission(request, view_func)
