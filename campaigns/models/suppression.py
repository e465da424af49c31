from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from campaigns.models.mail import Mail
from users.models import User


class Suppression(models.Model):
    """An address that gets no campaign any more. By address, not by contact: it outlives contacts and merges."""

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
        BOUNCED = "bounced", "Address does not exist"
        COMPLAINED = "complained", "Marked a mail as spam"

    email_key = models.CharField(max_length=320, unique=True, help_text="normalised; see contacts.email")
    reason = models.CharField(max_length=12, choices=Reason.choices)
    detail = models.CharField(max_length=500, blank=True, default="")
    mail = models.ForeignKey(Mail, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.email_key
