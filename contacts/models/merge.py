from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.models.contact import Contact

UNDO = timedelta(days=1)


class ContactMergeQuerySet(models.QuerySet["ContactMerge"]):
    def undoable(self) -> ContactMergeQuerySet:
        """Done less than a day ago, not undone, and the contact that was kept was not merged away since."""
        since = timezone.now() - UNDO
        return self.filter(undone_at=None, merged_at__gt=since, kept__merged_into=None)


class ContactMerge(models.Model):
    """Two contacts became one. `moved` holds what undoing needs; contacts.merging alone reads it."""

    kept = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="merges")
    gone = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    merged_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)
    moved = models.JSONField(default=dict, help_text="primary keys by name, and both contacts as they were")

    objects = ContactMergeQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["kept", "-merged_at"], name="merge_of_contact")]

    def __str__(self) -> str:
        return f"{self.gone_id} into {self.kept_id}"

    @property
    def undo_until(self) -> datetime:
        return self.merged_at + UNDO
