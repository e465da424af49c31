from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Upper
from django.urls import reverse

from common.due import DueManager, DueRow, State
from common.origin import Origin
from connections.models.connection import Connection, FieldMapping, Resource
from connections.models.inbound_event import InboundEvent


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def imports(self) -> SyncRunQuerySet:
        """Those that bring a resource's history."""
        return self.filter(kind=SyncRun.Kind.HISTORY)

    def checks(self) -> SyncRunQuerySet:
        """Those that compare what we hold with Stripe."""
        return self.filter(kind__in=SyncRun.CHECKS)

    def open(self) -> SyncRunQuerySet:
        return self.filter(state__in=SyncRun.OPEN)


class SyncRun(models.Model):
    """One walk over a resource's lists: an import of its history, or a check that compares what we hold with them.

    Lists have no total, so progress is the share of time walked, and counts. The runs of one check of an account share
    `range_to`.
    """

    class Kind(models.TextChoices):
        HISTORY = "history", "Import of history"
        CHECK = "check", "Nightly check"
        FULL_CHECK = "full_check", "Check of every object"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Importing history"
        WAITING = "waiting", "Waiting for Stripe"
        PAUSED = "paused", "Paused"
        CANCELLED = "cancelled", "Cancelled"
        PARTLY_FAILED = "partly_failed", "Partly failed"
        FAILED = "failed", "Failed"
        DONE = "done", "Done"

    OPEN = (State.QUEUED, State.RUNNING, State.WAITING, State.PAUSED)
    CHECKS = (Kind.CHECK, Kind.FULL_CHECK)

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.HISTORY)
    epoch = models.PositiveIntegerField(help_text="the connection's when it began; a later one stops the run")
    state = models.CharField(max_length=14, choices=State.choices, default=State.QUEUED)
    starts_automations = models.BooleanField(default=False)
    range_from = models.DateTimeField()
    range_to = models.DateTimeField(help_text="frozen, so that pages do not shift")
    listed = models.PositiveIntegerField(default=0, help_text="objects Stripe listed, the expanded ones not counted")
    seen = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    repaired = models.PositiveIntegerField(default=0, help_text="objects a check found different, and put right")
    message = models.CharField(max_length=500, blank=True, default="")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "resource",
                condition=Q(kind="history", state__in=["queued", "running", "waiting", "paused"]),
                name="one_open_import_a_resource",
            ),
            models.UniqueConstraint(
                "resource",
                condition=Q(kind__in=["check", "full_check"], state__in=["queued", "running", "waiting", "paused"]),
                name="one_open_check_a_resource",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.resource_id}"

    @property
    def is_check(self) -> bool:
        return self.kind in self.CHECKS

    @property
    def word(self) -> str:
        """Part of the keys of what it brings: one import tells a thing once, each check may tell it anew."""
        return f"check-{self.pk}" if self.is_check else "history"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def lost(self) -> int:
        """Objects that Stripe listed and that came to no end of which the log tells: of an import, zero."""
        return self.listed - self.created - self.updated - self.unchanged - self.skipped - self.failed

    @property
    def share(self) -> float:
        """Part of the time range that is walked, 0 to 1."""
        total = (self.range_to - self.range_from).total_seconds()
        if self.state == self.State.DONE or total <= 0:
            return 1.0
        return min(1.0, sum(window.walked_seconds for window in self.windows.all()) / total)


class SyncWindow(DueRow):
    """A slice [starts_at, ends_at) of an account's life, walked page by page, newest first.

    The cursor commits with the page it follows, so a killed worker repeats at most one page.
    """

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="windows")
    listing = models.CharField(
        max_length=40, blank=True, default="", help_text="what a check walks: a kind of object, and which of them"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    after_id = models.CharField(max_length=255, blank=True, default="")
    after_created = models.DateTimeField(null=True, blank=True, help_text="`created` of after_id, should it vanish")
    pages = models.PositiveIntegerField(default=0)
    unanswered = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="tries of a page in a row that Stripe left unanswered, but others not"
    )

    objects = DueManager()

    class Meta:
        constraints = [models.UniqueConstraint("run", "listing", "starts_at", name="window_once_a_listing")]
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="window_due", condition=Q(state=State.DUE)),
            models.Index(fields=["lease_until"], name="window_lease", condition=Q(state=State.RUNNING)),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"

    @property
    def walked_seconds(self) -> float:
        if self.state == State.DONE:
            return (self.ends_at - self.starts_at).total_seconds()
        if self.after_created is None:
            return 0.0
        return max(0.0, (self.ends_at - self.after_created).total_seconds())


class Sighting(models.Model):
    """An object that a running check saw in a list: those we hold and it did not see are looked at one by one."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="sightings")
    type = models.CharField(max_length=40)
    external_id = models.CharField(max_length=255)

    class Meta:
        constraints = [models.UniqueConstraint("run", "type", "external_id", name="sighting_once_a_run")]

    def __str__(self) -> str:
        return f"{self.type}:{self.external_id}"


class LogCount(models.Model):
    """How many rows of a kind one transaction added to the log. Only ever inserted, so writers never meet in a row.

    Results that stand for good: a failure may be written over by the next try, and is counted in the log itself.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    resource_kind = models.CharField(max_length=20, blank=True, default="")
    day = models.DateField(help_text="in the time zone of the installation")
    result = models.CharField(max_length=10)
    number = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day", "connection"], name="log_count_by_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.resource_kind} {self.result}: {self.number}"


class SyncLogEntry(models.Model):
    """What one event or one history record did, in words: one row each, replays one more each."""

    class Result(models.TextChoices):
        CREATED = "created", "Created"
        UPDATED = "updated", "Updated"
        UNCHANGED = "unchanged", "Unchanged"
        SKIPPED = "skipped", "Skipped"
        IGNORED = "ignored", "Ignored"
        STALE = "stale", "Out of date"
        FAILED = "failed", "Failed"
        DEAD = "dead", "Set aside"

    TROUBLE = (Result.FAILED, Result.DEAD)

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="log", db_index=False)
    resource_kind = models.CharField(max_length=20, blank=True, default="")
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="log")
    inbound = models.ForeignKey(
        InboundEvent, on_delete=models.SET_NULL, null=True, blank=True, related_name="log", db_index=False
    )
    mapping = models.ForeignKey(FieldMapping, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    replay = models.PositiveSmallIntegerField(default=0, help_text="0, or the number of the replay")
    via = models.CharField(max_length=10, choices=Origin.choices)
    event_id = models.CharField(max_length=255, blank=True, default="")
    event_type = models.CharField(max_length=120, blank=True, default="")
    object_id = models.CharField(max_length=255, blank=True, default="")
    contact = models.ForeignKey(
        "contacts.Contact", on_delete=models.SET_NULL, null=True, blank=True, related_name="sync_log", db_index=False
    )
    contact_email = models.CharField(max_length=320, blank=True, default="")
    result = models.CharField(max_length=10, choices=Result.choices)
    reason = models.CharField(max_length=500, blank=True, default="")
    changes = models.JSONField(default=list, blank=True, help_text="[{field, old, new, row}], row from 1 in `mapping`")
    warnings = models.JSONField(default=list, blank=True, help_text="values that did not fit their field, in words")
    occurred_at = models.DateTimeField(help_text="Event.created, or the object's own `created` for history")
    worked_at = models.DateTimeField(db_default=Now())
    duration_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "sync log entries"
        constraints = [
            models.UniqueConstraint("inbound", "replay", name="one_log_entry_an_event_and_replay"),
        ]
        indexes = [
            models.Index(fields=["connection", "-id"], name="log_newest"),
            models.Index(fields=["connection", "result", "-id"], name="log_by_result"),
            models.Index(fields=["connection", "event_type", "-id"], name="log_by_type"),
            models.Index(fields=["connection", "resource_kind", "-id"], name="log_by_resource"),
            models.Index(fields=["contact", "-id"], name="log_by_contact"),
            models.Index(fields=["worked_at"], name="log_by_time"),
            models.Index(fields=["connection", "-id"], name="log_trouble", condition=Q(result__in=["failed", "dead"])),
            # Pages lead to these rows, and where a webhook brings the events they are few.
            models.Index(fields=["connection", "-id"], name="log_polled", condition=Q(via="poll")),
            models.Index(fields=["-id"], name="log_replayed", condition=Q(via="replay")),
            # Rows of nobody are found by their address; those of a contact by the contact.
            models.Index(Upper("contact_email"), name="log_of_nobody", condition=Q(contact=None)),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or self.object_id}: {self.result}"

    def get_absolute_url(self) -> str:
        return reverse("connections:log-entry", args=[self.pk])
