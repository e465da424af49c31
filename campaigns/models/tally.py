from __future__ import annotations

from django.db import models

from campaigns.models.campaign import Campaign


class Tally(models.Model):
    """What became of a campaign's mails, of those counted for good (`Mail.is_tallied`). It outlives them."""

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, primary_key=True, related_name="tally")
    sent = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)
    suppressed = models.PositiveIntegerField(default=0)
    test = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    opened = models.PositiveIntegerField(default=0)
    clicked = models.PositiveIntegerField(default=0)
    bounced = models.PositiveIntegerField(default=0)
    unsubscribed = models.PositiveIntegerField(default=0)
    replied = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"Tally of {self.campaign_id}"
