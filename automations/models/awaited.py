from __future__ import annotations

from django.db import models

from automations.models.automation import Automation
from contacts.models import Activity
from recurring_payments.models import RecurringPayment


class Awaited(models.Model):
    """A recurring payment that would have started an automation, had somebody known whose it is. Gone once that is."""

    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="+", db_index=False)
    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="+")
    recurring_payment = models.ForeignKey(RecurringPayment, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name_plural = "awaited"
        constraints = [models.UniqueConstraint("automation", "activity", name="awaited_once")]

    def __str__(self) -> str:
        return f"{self.automation_id} {self.activity_id}"
