"""What every layer needs in the database: how fields are ordered, and when each queue was last worked."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class FieldOrder(models.Model):
    """The one order of fields of a kind of record, for the whole workspace. `kind` as registered in `manage_data`."""

    kind = models.CharField(max_length=40, primary_key=True)
    keys = ArrayField(models.CharField(max_length=60), default=list)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Order of the fields of {self.kind}"


class Heartbeat(models.Model):
    """When a queue of Celery was last worked by anybody."""

    queue = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField(help_text="when somebody last worked it, by the database's clock")

    def __str__(self) -> str:
        return self.queue
