"""Who may open a page. Signing in is asked of everybody by the middleware; roles are asked here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from users.models import Role, User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def require(request: HttpRequest, role: Role | str) -> User:
    """The signed-in user, who has at least this role. PermissionDenied (403) otherwise."""
    user = request.user
    if not isinstance(user, User) or not user.at_least(role):
        raise PermissionDenied(f"This needs the role {Role(role).label}.")
    return user


def role_required(role: Role | str) -> Callable[[View[P]], View[P]]:
    """For views: people below this role get 403. staff < marketer < admin."""
    least = Role(role)

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            require(request, least)
            return view(request, *args, **kwargs)

        return cast("View[P]", checked)

    return decorate
