from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse


class AutomationQuerySet(models.QuerySet["Automation"]):
    def active(self) -> AutomationQuerySet:
        return self.filter(state=Automation.State.ACTIVE)

    def present(self) -> AutomationQuerySet:
        return self.exclude(state=Automation.State.ARCHIVED)


class Flow(models.Model):
    """What begins an automation, what it does, and when a contact leaves it early. Shapes: `flow`, `checking`."""

    triggers = models.JSONField(
        default=list,
        blank=True,
        help_text='[{"id", "key", "parameters", "conditions": segment or null, "once": bool}]: any of them starts it',
    )
    steps = models.JSONField(default=list, blank=True, help_text="the tree of automations.flow")
    exit_conditions = models.JSONField(
        null=True, blank=True, help_text="a segment: who comes to match it leaves before the next step"
    )

    class Meta:
        abstract = True


class Automation(Flow):
    """Its own flow is the draft people edit; what runs is `current`, a version that never changes."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        ARCHIVED = "archived", "Archived"

    name = models.CharField(max_length=150)
    description = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    is_test = models.BooleanField(
        default=False, help_text="started by events of test accounts, for test contacts; never by live ones"
    )
    current = models.ForeignKey(
        "AutomationVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="current_of"
    )
    revision = models.PositiveIntegerField(default=1, help_text="+1 at every change of the draft: two editors notice")
    recipe = models.CharField(max_length=60, blank=True, default="", help_text="key of the recipe it was made from")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AutomationQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("automations:detail", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE

    @property
    def is_archived(self) -> bool:
        return self.state == self.State.ARCHIVED

    @property
    def has_changes(self) -> bool:
        """Whether the draft differs from what runs."""
        return self.current is None or self.content != self.current.content

    @property
    def content(self) -> tuple[Any, Any, Any]:
        return self.triggers, self.steps, self.exit_conditions


class AutomationVersion(Flow):
    """A flow as it was activated. Contacts inside finish on the version they entered."""

    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("automation", "number", name="automation_version_once")]
        ordering = ["automation", "-number"]

    def __str__(self) -> str:
        return f"{self.automation} v{self.number}"

    @property
    def content(self) -> tuple[Any, Any, Any]:
        return self.triggers, self.steps, self.exit_conditions
