from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.due import DueManager, DueRow, State

# Counting what many rows of the log stand for would cost more than the number is worth.
COUNTED = 10_000
# In place of a filter of the log: {OF: EVENTS, "event_type": "" or one, "happened_since": "" or ISO 8601}. Those that
# are named so are all counted.
OF, EVENTS = "of", "events"


class BulkReplay(DueRow):
    """A wish to apply again every event that a filter of the log shows, done page by page.

    `filter` is the log's address; `until_id` the newest row that existed when somebody said yes; `after_id` the cursor,
    which commits with the page before it.
    """

    filter = models.JSONField(default=dict)
    found = models.PositiveIntegerField(help_text="as told to whoever said yes")
    replayed = models.PositiveIntegerField(default=0)
    until_id = models.BigIntegerField()
    after_id = models.BigIntegerField(default=0)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DueManager()
    counted = COUNTED

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="bulk_replay_open", condition=Q(state__in=[State.DUE, State.RUNNING])
            )
        ]

    def __str__(self) -> str:
        return f"Replay of {self.found} events"

    @property
    def is_open(self) -> bool:
        return self.finished_at is None

    @property
    def is_counted(self) -> bool:
        """Whether `found` are all there were."""
        return self.found <= COUNTED or self.filter.get(OF) == EVENTS

    @property
    def progress(self) -> tuple[int, int]:
        """How far it is, and of how much: of the events, or where nobody counted them all, of the rows to look at."""
        return (self.replayed, self.found) if self.is_counted else (self.after_id, self.until_id)
