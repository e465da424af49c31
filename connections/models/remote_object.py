from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.functional import cached_property

from common.json_text import JSONTextField, says
from connections.models.connection import Connection


class RemoteObject(models.Model):
    """The newest state we know of one object at the source: cache, guard, tombstone and wish list in one.

    `as_of` is when the state was true by the source's clock; an older fact never replaces it. A row without a body
    is a wish. `wanted_at`: fetch it from then on (moved ahead while a worker fetches it, so it comes back by itself).
    A `wanted_error` without `wanted_at`: it is not to be read, and why.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="remote_objects", db_index=False)
    type = models.CharField(max_length=40, help_text="Stripe's `object`, with dots as underscores")
    external_id = models.CharField(max_length=255)
    as_of = models.DateTimeField(null=True, blank=True)
    event_id = models.CharField(max_length=255, blank=True, default="", help_text="the event it came with, or empty")
    event_type = models.CharField(max_length=120, blank=True, default="")
    api_version = models.CharField(max_length=60, blank=True, default="")
    event_at = models.DateTimeField(null=True, blank=True, help_text="of the newest event about it, where that counts")
    body = JSONTextField(null=True, blank=True)
    refs = ArrayField(
        models.CharField(max_length=300), default=list, blank=True, help_text="keys of the objects its body names"
    )
    previous = models.JSONField(null=True, blank=True, help_text="previous_attributes of the event it came with")
    deleted_at = models.DateTimeField(null=True, blank=True)
    wanted_at = models.DateTimeField(null=True, blank=True)
    wanted_attempts = models.PositiveSmallIntegerField(default=0)
    wanted_error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint("connection", "type", "external_id", name="remote_object_once")]
        indexes = [
            # Every batch asks this index for a hundred keys, and each would read a pending list from end to end.
            GinIndex(fields=["refs"], name="remote_object_refs", fastupdate=False),
            models.Index(
                fields=["connection", "wanted_at"],
                name="remote_object_wanted",
                condition=models.Q(wanted_at__isnull=False),
            ),
            models.Index(
                fields=["connection", "type"],
                name="remote_object_unread",
                condition=models.Q(wanted_at__isnull=True) & ~models.Q(wanted_error=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type}:{self.external_id}"

    @cached_property
    def key(self) -> str:
        return f"{self.type}:{self.external_id}"

    def has(self, body: Any) -> bool:
        """Is this its body?"""
        return says(self, "body", body)
