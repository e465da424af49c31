from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from segments.conditions import Group, parse


class Segment(models.Model):
    """Contacts that match conditions now: nobody is put into it, whoever matches is in it."""

    name = models.CharField(max_length=150, unique=True)
    conditions = models.JSONField(help_text="as segments.conditions reads it")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("segments:detail", args=[self.pk])

    @property
    def group(self) -> Group:
        """The conditions as a tree. ConditionError when a field they ask about is gone."""
        return parse(self.conditions)
