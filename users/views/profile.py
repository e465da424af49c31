"""Everybody's own page."""

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from users import audit
from users.forms import ProfileForm
from users.roles import require


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """Settings begins with the page that everybody has."""
    return redirect("users:profile")


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponseBase:
    user = require(request, "staff")
    before = user.name
    form = ProfileForm(request.POST or None, instance=user)
    if form.is_valid():
        form.save()
        if user.name != before:
            audit.record(request, "changed the name", user, name=(before, user.name))
        messages.success(request, "Profile saved.")
        return redirect("users:profile")
    if form.errors:
        user.name = before  # the frame shows the saved name, not the refused one
    return render(request, "users/profile.html", {"form": form}, status=422 if form.errors else 200)
