"""Who is told of failures, what is wrong with triggers, and when the next mail about an automation may leave."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from automations.models.automation import Automation
from common.due import DueManager, DueRow, State


class FailureRecipient(models.Model):
    """Who gets a mail when something of an automation fails; of every automation where none is named."""

    automation = models.ForeignKey(
        Automation, on_delete=models.CASCADE, null=True, blank=True, related_name="failure_recipients", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint("automation", "user", name="failure_recipient_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.automation or 'all automations'}"


class TriggerProblem(models.Model):
    """Why a trigger of an active automation cannot start it. Gone when the reason is."""

    automation = models.ForeignKey(
        Automation, on_delete=models.CASCADE, related_name="trigger_problems", db_index=False
    )
    message = models.CharField(max_length=500)
    found_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("automation", "message", name="trigger_problem_once")]

    def __str__(self) -> str:
        return self.message


class FailureReport(DueRow):
    """The next mail about an automation: due a minute after a failure, an hour after the last mail at the soonest."""

    automation = models.OneToOneField(Automation, on_delete=models.CASCADE, related_name="failure_report")
    number = models.PositiveIntegerField(default=0, help_text="mails so far")
    told_at = models.DateTimeField(null=True, blank=True, help_text="when the last mail was queued")

    objects = DueManager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="failure_due", condition=Q(state=State.DUE)),
        ]

    def __str__(self) -> str:
        return f"{self.automation} #{self.number}"
