from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.due import DueManager, DueRow, State
from common.origin import Origin
from connections.models.connection import Connection

# In place of an object's key: something changed that all subscriptions of the connection are read by.
EVERY_SUBSCRIPTION = "subscription"


class Underived(models.Model):
    """A subscription or purchase whose recurring payment or order does not say yet what history brought."""

    class Stage(models.IntegerChoices):
        """In this order: purchases tell more of recurring payments."""

        PURCHASE = 1
        SUBSCRIPTION = 2

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=300, help_text="of the subscription, or of what a purchase is noted by")
    owner = models.CharField(
        max_length=300, db_default="", help_text="key of the customer, whose marks are worked together; may be unknown"
    )
    stage = models.PositiveSmallIntegerField(choices=Stage.choices, db_default=Stage.SUBSCRIPTION)
    occurred_at = models.DateTimeField(help_text="when the newest of these facts happened at the source")
    silent = models.BooleanField(default=True)
    marked_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveSmallIntegerField(db_default=0, help_text="pages begun with it: suspicion")
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "underived"
        constraints = [models.UniqueConstraint("connection", "key", name="underived_once")]
        indexes = [models.Index(fields=["connection", "owner", "stage", "id"], name="underived_by_owner")]

    def __str__(self) -> str:
        return self.key


class Rederivation(DueRow):
    """More recurring payments follow from a changed object than its own transaction should write: a due walk of them.

    The cursor commits with the page it follows. A finished walk is deleted.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="rederivations")
    shared = models.CharField(max_length=300, help_text="key of the object that changed")
    occurred_at = models.DateTimeField()
    origin = models.CharField(max_length=10, choices=Origin.choices)
    key = models.CharField(max_length=400, help_text="names the fact that changed it, for the timeline")
    silent = models.BooleanField(default=False)
    after = models.BigIntegerField(default=0, help_text="primary key of the last subscription derived")

    objects = DueManager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="rederivation_due", condition=Q(state=State.DUE)),
            models.Index(fields=["lease_until"], name="rederivation_lease", condition=Q(state=State.RUNNING)),
        ]

    def __str__(self) -> str:
        return f"All that follows from {self.shared}"


class FailedDerivation(DueRow):
    """A recurring payment or order that could not be brought up to date beside others: tried again alone, by schedule.

    Made only by who has the object's row. What no try has helped stays, set aside, until a later change of it goes
    well, or a person has it tried again or dismisses it.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    object_key = models.CharField(max_length=300, help_text="of the subscription, or of what a purchase is noted by")
    occurred_at = models.DateTimeField(help_text="when the newest of these facts happened at the source")
    origin = models.CharField(max_length=10, choices=Origin.choices)
    key = models.CharField(max_length=400, help_text="names that fact, for the timeline")
    silent = models.BooleanField(default=False)

    objects = DueManager()

    class Meta:
        constraints = [models.UniqueConstraint("connection", "object_key", name="failed_derivation_once")]
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="failed_derivation_due", condition=Q(state=State.DUE)),
            models.Index(fields=["lease_until"], name="failed_derivation_lease", condition=Q(state=State.RUNNING)),
        ]

    def __str__(self) -> str:
        return self.object_key
