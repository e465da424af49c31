from __future__ import annotations

from typing import Self

from django.db import models
from django.urls import reverse

from contacts.models import ContactList
from segments.models import Segment
from users.models import User


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def present(self) -> Self:
        """Without those in the archive."""
        return self.filter(archived_at=None)

    def automated(self) -> Self:
        """Those that the send step of an automation may send."""
        return self.present().filter(kind=Campaign.Kind.AUTOMATED)


class Campaign(models.Model):
    """A mail with its content: what is written once and sent to many, each with their own values.

    Content is Liquid; `campaigns.personalization` checks it, `campaigns.rendering` fills it. An automated campaign is
    sent by automations; a direct one once, to its lists and segments (`Sending`).
    """

    class Kind(models.TextChoices):
        AUTOMATED = "automated", "Automated"
        DIRECT = "direct", "Direct"

    name = models.CharField(max_length=150, help_text="only you see it")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.AUTOMATED)
    subject = models.CharField(max_length=300, blank=True, default="")
    preheader = models.CharField(max_length=300, blank=True, default="")
    # Empty: those of the delivery settings.
    from_name = models.CharField(max_length=100, blank=True, default="")
    from_address = models.EmailField(max_length=254, blank=True, default="")
    reply_to = models.EmailField(max_length=254, blank=True, default="")
    html = models.TextField(blank=True, default="")
    text = models.TextField(blank=True, default="", help_text="empty: made from the HTML")
    tracks_opens = models.BooleanField(default=True)
    tracks_clicks = models.BooleanField(default=True)
    # Who a direct campaign goes to.
    lists: models.ManyToManyField[ContactList, models.Model] = models.ManyToManyField(
        ContactList, blank=True, related_name="campaigns"
    )
    segments: models.ManyToManyField[Segment, models.Model] = models.ManyToManyField(
        Segment, blank=True, related_name="campaigns"
    )
    to_test_contacts = models.BooleanField(default=False, help_text="a rehearsal: nothing leaves the house")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-updated_at", "-id"], name="campaign_newest")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("campaigns:detail", args=[self.pk])

    @property
    def is_direct(self) -> bool:
        return self.kind == self.Kind.DIRECT

    @property
    def sources(self) -> tuple[str, str, str, str]:
        """Every piece of Liquid of the mail."""
        return self.subject, self.preheader, self.html, self.text
