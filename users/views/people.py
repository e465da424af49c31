"""Who has access. For admins."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from users import accounts
from users.forms import InvitationForm, RoleForm
from users.models import Invitation, Role, User
from users.roles import role_required

ONE_ADMIN = "This is the last admin. Make somebody else an admin first."


@require_safe
@never_cache
@role_required("admin")
def people(request: HttpRequest) -> HttpResponseBase:
    context = {
        "people": User.objects.order_by("-is_active", "name", "email"),
        "invitations": Invitation.objects.pending().select_related("invited_by"),
        "roles": Role.choices,
        # Shown once, right after it was made: only its hash is kept.
        "link": request.session.pop("invitation_link", None),
    }
    return render(request, "users/people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def invite(request: HttpRequest) -> HttpResponseBase:
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        email = form.cleaned_data["email"]
        _show_link(request, email, accounts.invite(request, email, form.cleaned_data["role"]))
        return redirect("users:people")
    return render(request, "users/invite.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
@role_required("admin")
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    invitation = get_object_or_404(Invitation.objects.pending(), pk=pk)
    accounts.revoke(request, invitation)
    messages.success(request, f"The invitation for {invitation.email} was revoked.")
    return redirect("users:people")


@require_POST
@role_required("admin")
def password_link(request: HttpRequest, pk: int) -> HttpResponseBase:
    """For somebody who forgot the password where no mail is sent."""
    user = get_object_or_404(User.objects.active(), pk=pk)
    _show_link(request, user.email, accounts.invite(request, user.email, user.role))
    return redirect("users:people")


@require_POST
@role_required("admin")
def change_role(request: HttpRequest, pk: int) -> HttpResponseBase:
    user = get_object_or_404(User, pk=pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise BadRequest("unknown role")
    try:
        accounts.change_role(request, user, form.cleaned_data["role"])
    except accounts.LastAdminError:
        messages.error(request, ONE_ADMIN)
    else:
        messages.success(request, f"The role of {user} is {Role(form.cleaned_data['role']).label} now.")
    return redirect("users:people")


@require_POST
@role_required("admin")
def set_active(request: HttpRequest, pk: int, active: bool) -> HttpResponseBase:
    user = get_object_or_404(User, pk=pk)
    try:
        accounts.set_active(request, user, active)
    except accounts.LastAdminError:
        messages.error(request, ONE_ADMIN)
    else:
        messages.success(request, f"{user} can sign in again." if active else f"{user} can no longer sign in.")
    return redirect("users:people")


def _show_link(request: HttpRequest, email: str, path: str) -> None:
    request.session["invitation_link"] = {"email": email, "url": settings.SITE_URL + path}
