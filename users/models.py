"""A person who signs in, the invitation that made the account, and the log of what people did."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower, Now
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

INVITATION_LASTS = timedelta(days=7)


class Role(models.TextChoices):
    """Each role may do what the ones before it may."""

    STAFF = "staff", "Staff"
    MARKETER = "marketer", "Marketer"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def admins(self) -> Self:
        return self.active().filter(role=Role.ADMIN)


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def active(self) -> UserQuerySet:
        return self.get_queryset().active()

    def admins(self) -> UserQuerySet:
        return self.get_queryset().admins()

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **values: Any) -> User:
        """A saved user; without a password nobody can sign in as this user."""
        user = self.model(email=self.normalize_email(email).strip().lower(), **values)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """Signs in by email. Never deleted, only deactivated: the audit log and the timeline name people."""

    email = models.EmailField("Email", max_length=254)
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.STAFF)
    is_active = models.BooleanField(default=True)
    # Part of every session's fingerprint: counting up ends all sessions of this user at once.
    session_number = models.PositiveIntegerField(default=0, editable=False)
    date_joined = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering: ClassVar = ["name", "email"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"), name="users_user_email", violation_error_message="This email address is already used."
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="users_user_role"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def at_least(self, role: Role | str) -> bool:
        """Whether this user may do what `role` may: staff < marketer < admin."""
        return self.is_active and Role(self.role).rank >= Role(role).rank

    @property
    def is_admin(self) -> bool:
        return self.at_least(Role.ADMIN)

    @property
    def is_marketer(self) -> bool:
        return self.at_least(Role.MARKETER)

    def end_sessions(self) -> None:
        """Sign this user out everywhere."""
        self.session_number += 1
        self.save(update_fields=["session_number"])

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        text = f"{self.password}:{self.session_number}"
        return salted_hmac("users.User.session", text, secret=secret, algorithm="sha256").hexdigest()

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return (self.name or self.email).split(maxsplit=1)[0]

    @property
    def initials(self) -> str:
        words = self.name.split() or [self.email]
        return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()


def token_hash(token: str) -> str:
    """What is stored of a secret link: a stolen table opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def pending(self) -> Self:
        return self.filter(accepted_at=None, expires_at__gt=timezone.now())

    def by_token(self, token: str) -> Self:
        return self.pending().filter(token_hash=token_hash(token))


class Invitation(models.Model):
    """A link that makes one account. It is shown to who invites, because mail may not be set up."""

    email = models.EmailField("Email", max_length=254, blank=True)  # empty: the first admin names it when accepting
    role = models.CharField(max_length=20, choices=Role, default=Role.STAFF)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    accepted_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar = InvitationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.email or 'first user'} as {Role(self.role).label}"

    def renew(self) -> str:
        """A new token that replaces the old one; only its hash is kept. The caller saves."""
        token = secrets.token_urlsafe(32)
        self.token_hash = token_hash(token)
        self.expires_at = timezone.now() + INVITATION_LASTS
        return token

    @staticmethod
    def path(token: str) -> str:
        return reverse("accept_invitation", args=[token])


class AuditEntry(models.Model):
    """What a person did, for ever: a trigger in the database refuses changes and deletions."""

    # No constraint: the entry must outlive the person's row, whatever becomes of it.
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+")
    who = models.CharField(max_length=254)
    role = models.CharField(max_length=20, blank=True)
    action = models.CharField(max_length=100)
    object_type = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=100, blank=True)
    object_label = models.CharField(max_length=300, blank=True)
    changes = models.JSONField(default=dict)  # {"role": {"old": "staff", "new": "admin"}}
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=100, blank=True)
    time = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["object_type", "object_id", "-id"], name="users_audit_object")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.object_label}".strip()
