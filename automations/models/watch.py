from __future__ import annotations

from django.db import models

from automations.models.automation import Automation
from common.due import DueManager, DueRow, State


class DateWatch(DueRow):
    """How far a dated trigger of an active automation was looked through: moments up to `reached` were evaluated.

    It begins at the moment of activation, so that past ones are skipped.
    """

    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="watches", db_index=False)
    position = models.PositiveSmallIntegerField(help_text="which of the version's triggers")
    reached = models.DateTimeField()
    cursor = models.BigIntegerField(default=0, help_text="last row of a stretch whose pages are under way")
    until = models.DateTimeField(null=True, blank=True, help_text="where the stretch under way ends")

    objects = DueManager()

    class Meta:
        constraints = [models.UniqueConstraint("automation", "position", name="date_watch_once")]
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="date_watch_due", condition=models.Q(state=State.DUE))
        ]

    def __str__(self) -> str:
        return f"{self.automation} trigger {self.position}"
