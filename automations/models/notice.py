from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from common.due import DueManager, DueRow, State


class Notice(DueRow):
    """A short mail to a colleague, once for ever by its key. `handed_at` is committed just before the hand-over: one
    whose worker died after that is not sent again.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200, unique=True)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    handed_at = models.DateTimeField(null=True, blank=True)

    objects = DueManager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="notice_due", condition=models.Q(state=State.DUE)),
            models.Index(fields=["lease_until"], name="notice_lease", condition=models.Q(state=State.RUNNING)),
        ]

    def __str__(self) -> str:
        return self.subject
