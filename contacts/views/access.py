"""What the person looking at a page may do there."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from users.models import Role, User


def may_edit(request: HttpRequest) -> bool:
    """Whether to show the buttons of marketers; the views check for themselves."""
    return isinstance(request.user, User) and request.user.at_least(Role.MARKETER)


def own_address(request: HttpRequest, name: str = "next") -> str:
    """The address within this site that the request asks to go back to, or ""."""
    wanted = request.POST.get(name) or request.GET.get(name, "")
    # Only paths: the page that sent the person here is always one of ours.
    own = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if own else ""
