from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from campaigns.addressees import Addressee, in_header
from campaigns.framing import room_for
from campaigns.models.mail import Mail
from users.models import User


class DeliverySettings(models.Model):
    """How mail leaves this workspace: one row. What is empty comes from the environment."""

    from_name = models.CharField(max_length=100, blank=True, default="")
    from_address = models.EmailField(max_length=254, blank=True, default="")
    reply_to = models.EmailField(max_length=254, blank=True, default="")
    postal_address = models.CharField(max_length=300, blank=True, default="")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="delivery_settings_once")]

    def __str__(self) -> str:
        return self.sender

    @classmethod
    def current(cls) -> DeliverySettings:
        """The row, or an unsaved one with nothing set."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def sender(self) -> str:
        return self.from_address or str(settings.DEFAULT_FROM_EMAIL)

    @property
    def sender_name(self) -> str:
        return self.from_name or str(settings.WORKSPACE_NAME)


class SentCopyQuerySet(models.QuerySet["SentCopy"]):
    def seen_by(self, user: User) -> Self:
        """Mails to contacts, and those that were the user's own; for an admin, all.

        The others are about accounts: who reads a colleague's link to a new password has the colleague's role.
        """
        if user.is_admin:
            return self
        own = models.Q(to=user.email) | models.Q(to__endswith=f" <{user.email}>")
        return self.filter(models.Q(mail__isnull=False) | own)


class SentCopy(models.Model):
    """A mail as it left, or would have left: for the mailbox of the demo, and for mails to test contacts."""

    mail = models.ForeignKey(Mail, on_delete=models.CASCADE, null=True, blank=True, related_name="copies")
    sent_at = models.DateTimeField(db_default=Now())
    was_sent = models.BooleanField(default=True)
    message_id = models.CharField(max_length=255, blank=True, default="")
    sender = models.CharField(max_length=500, blank=True, default="")
    to = models.CharField(max_length=1000, blank=True, default="")
    subject = models.CharField(max_length=1000, blank=True, default="")
    headers = models.JSONField(default=list, blank=True, help_text="[[name, value]]")
    html = models.TextField(blank=True, default="")
    text = models.TextField(blank=True, default="")

    objects = SentCopyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "sent copies"
        indexes = [models.Index(fields=["-sent_at", "-id"], name="sent_copy_newest")]

    def __str__(self) -> str:
        return self.subject

    @property
    def from_whom(self) -> list[Addressee]:
        return in_header(self.sender)

    @property
    def to_whom(self) -> list[Addressee]:
        return in_header(self.to)

    @property
    def room(self) -> str:
        """What its frame takes on a page; see campaigns.framing."""
        return room_for(self.html, self.text)
