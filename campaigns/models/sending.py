from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from campaigns.models.campaign import Campaign
from common.due import DueManager, DueRow, State
from users.models import User


class Sending(DueRow):
    """The one time a direct campaign goes out, now or at a time. Its recipients become mails page by page.

    `after` is the last contact that was reached; it moves in the transaction that makes the page's mails, so a killed
    worker repeats at most a page, and repeats it without effect.
    """

    campaign = models.OneToOneField(Campaign, on_delete=models.PROTECT, related_name="sending")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    starts_at = models.DateTimeField(help_text="when it was asked to begin")
    after = models.BigIntegerField(default=0, help_text="primary key of the last contact reached")
    queued = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[DueManager[Self]] = DueManager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="sending_due", condition=models.Q(state=State.DUE)),
            models.Index(fields=["lease_until"], name="sending_claimed", condition=models.Q(state=State.RUNNING)),
        ]

    def __str__(self) -> str:
        return f"Sending of {self.campaign}"

    @property
    def is_stuck(self) -> bool:
        """Its last try failed, and `last_error` says why. Tried again by itself unless it is dead."""
        return self.state == State.DEAD or (self.state == State.DUE and self.attempts > 0)
