"""Inviting people, letting them in, changing what they may do, and shutting them out."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from users import audit
from users.models import Invitation, Role, User


class LastAdminError(Exception):
    """Nobody would be left who can manage users."""


@transaction.atomic
def invite(by: HttpRequest | User | None, email: str, role: Role | str) -> str:
    """The path of a link that makes an account, or sets a new password where the address has one.

    An earlier link for the address stops working. The link cannot be shown a second time.
    """
    Invitation.objects.pending().filter(email__iexact=email).delete()
    inviter = by.user if isinstance(by, HttpRequest) else by
    known = inviter if isinstance(inviter, User) else None
    invitation = Invitation(email=email.strip().lower(), role=role, invited_by=known)
    token = invitation.renew()
    invitation.save()
    audit.record(by, "invited", email or "the first user", role=str(role))
    return Invitation.path(token)


@transaction.atomic
def accept(request: HttpRequest, invitation: Invitation, *, email: str, name: str, password: str) -> User:
    """The new or, with a new password, the known user. Raises Invitation.DoesNotExist when somebody was quicker."""
    held = Invitation.objects.select_for_update().pending().get(pk=invitation.pk)
    address = held.email or email
    user = User.objects.select_for_update().filter(email__iexact=address).first()
    if user is None:
        user = User.objects.create_user(address, password, name=name, role=held.role)
    else:
        user.set_password(password)
        user.name = name or user.name
        user.save(update_fields=["password", "name"])
        user.end_sessions()
    held.accepted_at = timezone.now()
    held.save(update_fields=["accepted_at"])
    audit.record(user, "accepted an invitation", user)
    return user


@transaction.atomic
def revoke(by: HttpRequest, invitation: Invitation) -> None:
    audit.record(by, "revoked an invitation", invitation.email)
    invitation.delete()


@transaction.atomic
def change_role(by: HttpRequest, user: User, role: Role | str) -> None:
    """LastAdminError when nobody else could manage users. Ends the user's sessions, so the new role counts at once."""
    user = _locked(user)
    before = user.role
    if before == role:
        return
    if role != Role.ADMIN:
        _keep_an_admin(user)
    user.role = role
    user.save(update_fields=["role"])
    user.end_sessions()
    audit.record(by, "changed a role", user, role=(before, str(role)))


@transaction.atomic
def set_active(by: HttpRequest, user: User, active: bool) -> None:
    """LastAdminError when nobody else could manage users. A deactivated user is signed out at once."""
    user = _locked(user)
    if user.is_active == active:
        return
    if not active:
        _keep_an_admin(user)
    user.is_active = active
    user.save(update_fields=["is_active"])
    user.end_sessions()
    audit.record(by, "activated" if active else "deactivated", user)


def _locked(user: User) -> User:
    """The row, after all admins' rows are locked: two admins demoting each other at once wait for one another."""
    list(User.objects.admins().order_by("pk").select_for_update().values_list("pk"))
    return User.objects.select_for_update().get(pk=user.pk)


def _keep_an_admin(leaving: User) -> None:
    if not User.objects.admins().exclude(pk=leaving.pk).exists():
        raise LastAdminError
