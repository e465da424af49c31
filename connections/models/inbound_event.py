from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from common.due import DueManager, DueRow, State
from common.origin import Origin
from connections.models.connection import Connection


class InboundEvent(DueRow):
    """An event as it came, kept raw: jsonb refuses some of what a signed body may hold. Stored once, whoever is first.

    `waiting` events wait for objects we do not hold yet (`waits_for`: ["customer:cus_1"]); whoever stores the object
    releases them.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="inbound_events", db_index=False)
    event_id = models.CharField(max_length=255)
    via = models.CharField(max_length=10, choices=Origin.choices)
    type = models.CharField(max_length=120, blank=True, default="")
    api_version = models.CharField(max_length=60, blank=True, default="")
    object_id = models.CharField(max_length=255, blank=True, default="")
    occurred_at = models.DateTimeField(help_text="Event.created")
    body = models.BinaryField(null=True, blank=True, help_text="emptied after 30 days, absent for ignored events")
    waits_for = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    replays = models.PositiveSmallIntegerField(default=0, help_text="how often somebody asked to apply it again")
    lane = models.PositiveSmallIntegerField(db_default=0, help_text="events of one customer are in one lane")
    missed = models.BooleanField(default=False, help_text="first seen by the poll, over two minutes late")
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True, blank=True)

    objects = DueManager()

    class Meta:
        constraints = [models.UniqueConstraint("connection", "event_id", name="inbound_event_once")]
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="inbound_due", condition=models.Q(state=State.DUE)),
            # Rows that lost a worker: few, and looked for at each claim.
            models.Index(
                fields=["next_attempt_at", "id"],
                name="inbound_suspects",
                condition=models.Q(state=State.DUE, claims__gt=0),
            ),
            models.Index(fields=["lease_until"], name="inbound_lease", condition=models.Q(state=State.RUNNING)),
            models.Index(fields=["connection", "-id"], name="inbound_dead", condition=models.Q(state=State.DEAD)),
            GinIndex(fields=["waits_for"], name="inbound_waits_for", condition=models.Q(state=State.WAITING)),
            models.Index(
                fields=["connection", "occurred_at"], name="inbound_waiting", condition=models.Q(state=State.WAITING)
            ),
            models.Index(fields=["next_attempt_at", "id"], name="inbound_held", condition=models.Q(state=State.HELD)),
            models.Index(fields=["connection", "-received_at"], name="inbound_newest"),
            models.Index(fields=["connection", "-received_at"], name="inbound_missed", condition=models.Q(missed=True)),
        ]

    def __str__(self) -> str:
        return self.event_id
