"""The page behind an invitation link, for somebody who cannot sign in yet."""

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from users import accounts
from users.forms import AcceptForm
from users.models import Invitation, User


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_not_required
def accept(request: HttpRequest, token: str) -> HttpResponseBase:
    """Opening the link uses nothing up: mail scanners and previews open links too."""
    invitation = Invitation.objects.by_token(token).first()
    if invitation is None:
        return render(request, "users/invitation_gone.html", status=404)
    known = User.objects.filter(email__iexact=invitation.email).first() if invitation.email else None
    form = AcceptForm(invitation, request.POST or None, initial={"name": known.name if known else ""})
    if not form.is_valid():
        context = {"form": form, "invitation": invitation, "known": known}
        return render(request, "users/invitation.html", context, status=422 if form.errors else 200)
    try:
        user = accounts.accept(request, invitation, **{"email": "", **form.cleaned_data})
    except Invitation.DoesNotExist:
        return render(request, "users/invitation_gone.html", status=404)
    if not user.is_active:
        return redirect("account_inactive")
    login(request, user)
    return redirect("home")
